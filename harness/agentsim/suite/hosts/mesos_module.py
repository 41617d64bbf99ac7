"""The Mesos module under test: on libprocess alone, and in a real Mesos agent.

`ABI_MODULE_BUILD` names the build directory of module/ (docs/module.md); without it there is
nothing to test. `ABI_MESOS_AGENT` is a mesos-agent, or a script that ends with one and hands its
arguments on.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from agentsim.suite.hosts.kinds import (
    Host,
    Launch,
    ProgramKind,
    Unsupported,
    free_port,
    register,
)

BUILD = "ABI_MODULE_BUILD"
AGENT = "ABI_MESOS_AGENT"
MODULE_NAME = "org_command_abi_Module"
#: What clients of the suite say in Host. By tables without a realm the module can't see that the
#: host has credentials, and a host without any takes only names that it was given.
CLIENT_HOST = "probe"


class _ModuleKind(ProgramKind):
    def start(self, launch: Launch) -> Host:
        """Start a host; limits leave it what it needs before any request."""
        return super().start(roomier(launch))

    def check(self, tables: Sequence[Path]) -> list[str]:
        """Let the module read tables as it does at the start of an agent."""
        return [self._check(table) for table in tables]

    def _check(self, table: Path) -> str:
        done = subprocess.run(
            [_built("host"), f"--routes={table}", "--check=yes"],
            capture_output=True,
            text=True,
            timeout=self.deadline,
            check=False,
        )
        return done.stderr if done.returncode else ""


class Module(_ModuleKind):
    """`module/tests/host.cpp`: the module's glue and core on libprocess, without an agent."""

    name = "module"

    def prepare(self) -> None:
        """Find the build. Raises Unsupported: there is none."""
        _built("host")

    def command(self, launch: Launch, spool: Path) -> list[str]:
        """The command line of a bare host."""
        if launch.clock is not None:
            raise Unsupported("the system clock can't be made to jump for one program")
        options = [f"--spool_dir={spool}", f"--ballast={launch.ballast}"]
        options.append(f"--allow_host={CLIENT_HOST}")
        if launch.forks:
            options.append("--forks=yes")
        if launch.spool_limit is not None:
            options.append(f"--spool_limit={launch.spool_limit}MB")
        if launch.guarded:
            options.append(f"--credentials={launch.probes.credentials}")
        if launch.opened:
            options.append("--unguarded=allow")
        options += [f"--environment={name}={value}" for name, value in launch.environment.items()]
        options += [f"--routes={table}" for table in launch.tables or launch.probes.tables]
        listen = ["LIBPROCESS_IP=127.0.0.1", f"LIBPROCESS_PORT={launch.port}"]
        return ["env", *listen, _built("host"), *options]


class Agent(_ModuleKind):
    """A Mesos agent that loads the module; it needs no master to serve it."""

    name = "agent"
    ready = re.compile(r"Commands are served on ([^:/\s]+):(\d+)")
    own_paths = ("/flags", "/health", "/monitor", "/slave(1)", "/state", "/version")

    def prepare(self) -> None:
        """Find the agent and the build. Raises Unsupported: one of them is not there."""
        _agent()
        _built("libcommand_module.so")

    def command(self, launch: Launch, spool: Path) -> list[str]:
        """The command line of an agent."""
        if launch.processes is not None:
            raise Unsupported("an agent is root's, whom no limit of processes binds")
        if launch.unprivileged:
            raise Unsupported("an agent is root's, who may kill any process")
        address = ("127.0.0.1", launch.port or free_port())
        library = _built("libcommand_module.so")
        return [_agent(), *agent_options(launch, library, spool, address)]


def _agent() -> str:
    program = os.environ.get(AGENT)
    if program is None:
        raise Unsupported(f"{AGENT} does not name a mesos-agent")
    return program


def roomier(launch: Launch) -> Launch:
    """A launch with limits that leave libprocess and the module what they need themselves."""
    tables = len(launch.tables or launch.probes.tables)
    if launch.processes is not None:
        # A thread for each table, and the guard; libprocess has eight or more for its actors.
        threads = max(8, os.cpu_count() or 1) + 7 + tables
        launch = replace(launch, processes=launch.processes + threads)
    if launch.open_files is not None and launch.open_files < 100:
        launch = replace(launch, open_files=launch.open_files + 2 * tables + 1)
    return launch


def agent_options(launch: Launch, library: str, spool: Path, address: tuple[str, int]) -> list[str]:
    """Options of a mesos-agent that loads the module; files it needs are written beside the spool.

    Raises:
        Unsupported: there are none for such a launch.
    """
    if launch.clock is not None or launch.ballast or launch.forks:
        raise Unsupported("an agent takes no ballast and no other clock, and forks when it likes")
    directory = spool.parent
    parameters = [("spool_dir", str(spool)), ("allow_host", CLIENT_HOST)]
    if launch.spool_limit is not None:
        parameters.append(("spool_limit", f"{launch.spool_limit}MB"))
    parameters += [("environment", f"{n}={value}") for n, value in launch.environment.items()]
    if launch.opened:
        parameters.append(("unguarded", "allow"))
    parameters += [("routes", str(table)) for table in launch.tables or launch.probes.tables]
    options = [
        f"--ip={address[0]}",
        f"--port={address[1]}",
        "--master=127.0.0.1:1",
        f"--work_dir={directory}/work",
        f"--runtime_dir={directory}/run",
        modules_option(directory / "modules.json", library, parameters),
        "--launcher=posix",
        "--isolation=posix/cpu,posix/mem",
        "--systemd_enable_support=false",
        "--hostname_lookup=false",
    ]
    if launch.guarded:
        options += ["--authenticate_http_readwrite", "--authenticate_http_readonly"]
        options.append(f"--http_credentials=file://{launch.probes.credentials}")
    return options


def modules_option(file: Path, library: str, parameters: Sequence[tuple[str, str]]) -> str:
    """The option with which an agent loads the module; it names a file that is written here."""
    given = [{"key": key, "value": value} for key, value in parameters]
    modules = [{"name": MODULE_NAME, "parameters": given}]
    libraries = {"libraries": [{"file": library, "modules": modules}]}
    file.write_text(json.dumps(libraries), encoding="utf-8")
    return f"--modules=file://{file}"


def _built(name: str) -> str:
    build = os.environ.get(BUILD)
    if build is None:
        raise Unsupported(f"{BUILD} does not name a CMake build of module/ with libprocess")
    file = Path(build) / name
    if not file.is_file():
        raise Unsupported(f"{file} is not there: that build found no Mesos")
    return str(file)


register(Module)
register(Agent)
