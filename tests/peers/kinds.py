"""The peers as host kinds: their configuration, written as their manuals say, and their start."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import agentsim
from agentsim.suite.hosts import (
    Host,
    Launch,
    ProgramKind,
    Unsupported,
    free_port,
    register,
)

from tests.peers.naive_host import Hanging

HERE = Path(__file__).parent
GATEWAY = (
    sys.executable,
    "-I",
    "-S",
    f"{HERE / 'gateway.py'}",
    str(Path(agentsim.__file__).parents[1]),
)
# Waits for the port and says so, as the suite wants to hear it, beside the peer that it becomes.
START = """
import os, socket, sys, time
port = int(sys.argv[1])
if os.fork() == 0:
    if os.fork():
        os._exit(0)
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            print(f"serving on http://127.0.0.1:{port}", flush=True)
            break
    os._exit(0)
os.wait()
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Peer(ProgramKind):
    """A program of Debian's, `program`, in front of the probe commands."""

    program: ClassVar[str]

    def command(self, launch: Launch, spool: Path) -> list[str]:
        """The command line; the configuration is written beside the spool."""
        if launch.clock or launch.spool_limit or launch.ballast:
            raise Unsupported(f"{self.name} can't be put into that state from outside")
        port = launch.port or free_port()
        tables = launch.tables or launch.probes.tables
        words = self.configured(spool.parent, port, tables)
        return [sys.executable, "-I", "-S", "-c", START, str(port), *words]

    def start(self, launch: Launch) -> Host:
        """Start it; once it hangs a new one is started for the tests that follow."""
        host = super().start(launch)
        host.__class__ = Hanging
        return host

    def configured(self, folder: Path, port: int, tables: Sequence[Path]) -> list[str]:
        """Write what the peer needs into `folder`; its command line."""
        raise NotImplementedError


class Lighttpd(Peer):
    """lighttpd's mod_cgi, with answers passed on as they come (server.stream-response-body 2)."""

    name = "lighttpd"
    program = "lighttpd"

    def configured(self, folder: Path, port: int, tables: Sequence[Path]) -> list[str]:
        """A document root of programs."""
        file = folder / "lighttpd.conf"
        file.write_text(
            f"""
server.modules = ("mod_cgi")
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{_programs(folder, tables)}"
server.upload-dirs = ("{folder / "spool"}")
server.stream-response-body = 2
server.max-fds = 8192
server.max-connections = 4096
cgi.assign = ("" => "")
"""
        )
        return ["lighttpd", "-D", "-f", str(file)]


class Webhook(Peer):
    """webhook: a hook for every route, output in the response."""

    name = "webhook"
    program = "webhook"

    def configured(self, folder: Path, port: int, tables: Sequence[Path]) -> list[str]:
        """A file of hooks."""
        program = folder / "gateway"
        words = shlex.join([*GATEWAY, str(tables[0].parent)])
        _executable(program, f'exec {words} "$@"\n')
        hooks = [
            _hook(table, route, program)
            for table in map(_read, tables)
            for route in table["routes"]
        ]
        file = folder / "hooks.json"
        file.write_text(json.dumps(hooks))
        where = ["-ip", "127.0.0.1", "-port", str(port), "-urlprefix", ""]
        return ["webhook", "-hooks", str(file), *where]


def _hook(table: Mapping[str, Any], route: Mapping[str, Any], program: Path) -> dict[str, Any]:
    path = f"{table['process']}{route['path']}"
    fixed = _fixed(table)
    words = [{"source": "string", "name": f"/{path}"}, {"source": "entire-query"}]
    if fixed:
        words = [{"source": "string", "name": word} for word in fixed[1:]]
    methods = route["method"]
    return {
        "id": path,
        "execute-command": shutil.which(fixed[0]) or fixed[0] if fixed else str(program),
        "pass-arguments-to-command": words,
        "http-methods": [methods] if isinstance(methods, str) else methods,
        "include-command-output-in-response": True,
        "response-headers": [{"name": "Content-Type", "value": _type(route)}],
    }


def _programs(folder: Path, tables: Sequence[Path]) -> Path:
    """A directory with one CGI program for each table."""
    programs = folder / "programs"
    programs.mkdir()
    for file in tables:
        table = _read(file)
        fixed = _fixed(table)
        if fixed:
            kind = _type(table["routes"][0])
            text = f"printf 'Content-Type: {kind}\\r\\n\\r\\n'\nexec {shlex.join(fixed)}\n"
        else:
            words = shlex.join([*GATEWAY, str(file.parent)])
            text = f'exec {words} "$SCRIPT_NAME$PATH_INFO"\n'
        _executable(programs / table["process"], text)
    return programs


def _fixed(table: Mapping[str, Any]) -> list[str]:
    """The command line of a table that has but one, known beforehand; nothing is to be decided."""
    first, *others = table["routes"]
    if others or any("{" in word for word in first["argv"]):
        return []
    return [*table["command"], *first["argv"]]


def _type(route: Mapping[str, Any]) -> str:
    return str(route.get("response", {}).get("type", "application/json"))


def _read(file: Path) -> dict[str, Any]:
    table: dict[str, Any] = json.loads(file.read_bytes())
    return table


def _executable(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}")
    file.chmod(0o755)


for kind in (Lighttpd, Webhook):
    register(kind)
