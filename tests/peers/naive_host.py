"""A careless host: what one writes in an afternoon, and what the contract suite must see through.

It has one thread, puts values into a shell line, waits for the command before it reads what it
wrote, never looks at its client meanwhile, and hands on all it has: environment, descriptors,
directory. As a program it serves route tables; as a pytest plugin it is the host kind `naive`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from agentsim.suite.hosts import Host, Launch, ProgramKind, Unsupported, register


class Handler(BaseHTTPRequestHandler):
    """Answers every method in the same way."""

    protocol_version = "HTTP/1.1"
    routes: ClassVar[dict[str, tuple[list[str], dict[str, Any]]]] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self) -> None:
        """Run the command of the path, and send what it wrote."""
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if parts.path not in self.routes:
            self.reply(404, "text/plain", b"404 Not Found.")
            return
        command, route = self.routes[parts.path]
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        words = list(command)
        for element in route["argv"]:
            for name, value in query.items():
                element = element.replace(f"{{{name}}}", value)  # noqa: PLW2901
            if "{" not in element:
                words.append(element)
        headers = {f"HTTP_{name.upper().replace('-', '_')}": v for name, v in self.headers.items()}
        process = subprocess.Popen(
            " ".join(words),
            shell=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **headers},
            close_fds=False,
        )
        assert process.stdin and process.stdout
        process.stdin.write(body)
        process.stdin.close()
        status = process.wait()
        output = process.stdout.read()
        kind = route.get("response", {}).get("type", "application/json")
        self.reply(200 if status == 0 else 500, kind, output)

    def reply(self, status: int, kind: str, body: bytes) -> None:
        """Send an answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Naive(ProgramKind):
    """This host, put under test: a new one whenever the last one hangs."""

    name = "naive"

    def command(self, launch: Launch, spool: Path) -> list[str]:
        """The command line of a careless host."""
        if launch.clock or launch.spool_limit or launch.ballast or launch.forks:
            raise Unsupported("nobody thought of that")
        tables = launch.tables or launch.probes.tables
        return [sys.executable, __file__, str(launch.port), *map(str, tables)]

    def start(self, launch: Launch) -> Host:
        """Start it; once it hangs it is as good as dead."""
        host = super().start(launch)
        host.__class__ = Hanging
        return host


class Hanging(Host):
    """A host that is not taken to run if it does not answer."""

    @property
    def running(self) -> bool:
        """Whether it answers."""
        patience, self.deadline = self.deadline, 0.5
        try:
            return super().running and self.get("/is-it-there").status == 404
        except (OSError, ConnectionError, Exception):
            return False
        finally:
            self.deadline = patience


def main() -> None:
    """Serve the tables named on the command line."""
    for name in sys.argv[2:]:
        table = json.loads(Path(name).read_bytes())
        for route in table["routes"]:
            path = f"/{table['process']}{route['path']}"
            Handler.routes[path] = (table["command"], route)
    server = HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    os.set_inheritable(server.fileno(), True)
    print(f"serving on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
else:
    register(Naive)
