"""Engines for tests: servers on a unix socket that say what a real one can't be made to say.

Only what the harness asks is answered: the version, lists by label, and removals.
"""

from __future__ import annotations

import json
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Engine:
    """What an engine says and has.

    Args:
        version: what it says of itself.
    """

    def __init__(self, version: object) -> None:
        self.version = version
        self.containers: dict[str, dict[str, str]] = {}
        self.networks: dict[str, dict[str, str]] = {}
        self.volumes: dict[str, dict[str, str]] = {}

    def answer(self, method: str, target: str) -> tuple[int, object]:
        """Status and document."""
        path = re.sub(r"^/v[0-9.]+", "", urlsplit(target).path)
        query = parse_qs(urlsplit(target).query)
        _, kind, *rest = [*path.split("/"), ""]
        things: dict[str, Any] = {
            "containers": self.containers,
            "networks": self.networks,
            "volumes": self.volumes,
        }
        if path == "/version":
            return 200, self.version
        if kind == "images":
            return 404, {"message": f"No such image: {path}"}
        if kind not in things:
            return 404, {"message": "there is no such page"}
        known = things[kind]
        if method == "DELETE":
            return (204, None) if known.pop(rest[0], None) is not None else (404, {"message": ""})
        if rest[0] in known:
            return 200, {"Id": rest[0], "Name": rest[0], "Config": {"Labels": known[rest[0]]}}
        wanted = json.loads(query.get("filters", ["{}"])[0]).get("label", [])
        found = [
            {"Id": name, "Name": name, "Names": [name], "Labels": labels}
            for name, labels in known.items()
            if all(_has(labels, each) for each in wanted)
        ]
        return 200, {"Volumes": found} if kind == "volumes" else found


def _has(labels: dict[str, str], wanted: str) -> bool:
    name, equals, value = wanted.partition("=")
    return name in labels and (not equals or labels[name] == value)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    engine: Engine


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        status, document = self.server.engine.answer(self.command, self.path)
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_DELETE = _answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@contextmanager
def listening(engine: Engine, socket: Path) -> Iterator[str]:
    """Let an engine listen; what DOCKER_HOST is to be."""
    with _Server(str(socket), _Handler) as server:
        server.engine = engine
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"unix://{socket}"
        finally:
            server.shutdown()
            thread.join()
