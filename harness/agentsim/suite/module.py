"""The Mesos module under test, in the bare libprocess host that its CMake build makes.

`ABI_MODULE_BUILD` names the build directory (docs/module.md); without it there is nothing to test.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from agentsim.suite.hosts import Launch, ProgramKind, Unsupported, register

VARIABLE = "ABI_MODULE_BUILD"


class Module(ProgramKind):
    """`module/tests/host.cpp`: the module's glue and core on libprocess, without an agent."""

    name = "module"

    def command(self, launch: Launch, spool: Path) -> list[str]:
        """The command line of a bare host."""
        if launch.clock is not None:
            raise Unsupported("the system clock can't be made to jump for one program")
        options = [f"--spool_dir={spool}", f"--ballast={launch.ballast}"]
        if launch.spool_limit is not None:
            options.append(f"--spool_limit={launch.spool_limit}MB")
        if launch.guarded:
            options.append(f"--credentials={launch.probes.credentials}")
        options += [f"--environment={name}={value}" for name, value in launch.environment.items()]
        options += [f"--routes={table}" for table in launch.tables or launch.probes.tables]
        listen = ["LIBPROCESS_IP=127.0.0.1", f"LIBPROCESS_PORT={launch.port}"]
        return ["env", *listen, _host(), *options]

    def check(self, table: Path) -> tuple[bool, str]:
        """Let the module read a table as it does at the start of an agent."""
        done = subprocess.run(
            [_host(), f"--routes={table}", "--check=yes"],
            capture_output=True,
            text=True,
            timeout=self.deadline,
            check=False,
        )
        return done.returncode == 0, done.stderr


def _host() -> str:
    build = os.environ.get(VARIABLE)
    if build is None:
        raise Unsupported(f"{VARIABLE} does not name a CMake build of module/ with libprocess")
    host = Path(build) / "host"
    if not host.is_file():
        raise Unsupported(f"{host} is not there: that build found no libprocess")
    return str(host)


register(Module)
