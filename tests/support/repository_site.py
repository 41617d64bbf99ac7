"""Repositories for tests: directories of archives, and a server of files that obeys orders."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from tests.support.packager_command import tar
from tests.support.web_server import Answer, Request, Web, body, ranged, serve, status

# Packages say in one file who they are, so that no two have the same content.


def archive(package_id: str, size: int = 0, **pkginfo: object) -> bytes:
    """An uncompressed archive; with a size, bin/data has so many bytes."""
    files = {"bin__name": package_id.encode()}
    if size:
        files["bin__data"] = bytes(i * 7 % 251 for i in range(1 << 16)) * (size // (1 << 16) + 1)
    if pkginfo:
        files["pkginfo_json"] = json.dumps(pkginfo).encode()
    return tar(**files)


def put(directory: Path, package_id: str, size: int = 0, **pkginfo: object) -> Path:
    """Write an archive into a repository's directory."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{package_id}.tar"
    path.write_bytes(archive(package_id, size, **pkginfo))
    return path


@dataclass
class Site:
    """A served directory. `faults` answer instead of a file, by its path; a list's first answer is
    for the first request, the last one for all others."""

    web: Web
    directory: Path
    faults: dict[str, list[Answer]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.web.url("/")

    @property
    def paths(self) -> list[str]:
        return [request.line.split(" ")[1] for request in self.web.requests]


@contextmanager
def site(directory: Path, **faults: Answer) -> Iterator[Site]:
    """Serve the files of `directory`; they can be resumed."""
    served: list[Site] = []

    def answer(connection: socket.socket, request: Request, web: Web) -> None:
        path = unquote(request.line.split(" ")[1]).lstrip("/")
        orders = served[0].faults.get(path)
        if orders:
            order = orders.pop(0) if len(orders) > 1 else orders[0]
            order(connection, request, web)
            return
        file = directory / path
        if not file.is_file():
            status("404 Not Found")(connection, request, web)
            return
        data = file.read_bytes()
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        wanted = request.headers.get("range", "")
        if wanted and "if-range" not in request.headers:
            request.headers["if-range"] = tag  # unconditional
        (ranged if data else body)(data, ETag=tag)(connection, request, web)

    with serve(answer) as web:
        served.append(Site(web, directory))
        yield served[0]


def configuration(path: Path, *repositories: Mapping[str, object]) -> Path:
    """Write a configuration file; JSON's strings, numbers and lists are TOML's, too."""
    lines = []
    for repository in repositories:
        lines.append("[[repositories]]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in repository.items()]
    path.write_text("\n".join(lines) + "\n")
    return path
