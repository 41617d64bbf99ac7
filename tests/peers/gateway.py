"""From a request, as a peer hands it on, to the command line of a probe: then it is that command.

A peer knows nothing of route tables, so this program of its own stands between: it decides as the
contract says which command is meant and becomes it (execve(2)), in the peer's process, with the
peer's pipes, descriptors, signals and environment. What it can't be asked is left out: how a peer
decides, and how it would answer a command's exit status.

usage: gateway.py HARNESS TABLES PATH       CGI (RFC 3875); TABLES is a directory
       gateway.py HARNESS TABLES PATH JSON  the query as a JSON object, output without a head
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, sys.argv[1])  # -I and -S: a gateway starts once per request

from agentsim.core.argv import CommandLine, build
from agentsim.core.query_string import BadQuery, decode
from agentsim.core.route_match import Match, match
from agentsim.core.route_table import parse


def main() -> None:
    """Become the command."""
    _, _, folder, path, *rest = sys.argv
    process = path.lstrip("/").partition("/")[0]
    file = Path(folder, f"{process}.json")
    if not file.is_file():
        refuse(404)
    table = parse(file.read_bytes(), str(file))
    found = match([table], os.environ.get("REQUEST_METHOD", "GET"), os.fsencode(path))
    if not isinstance(found, Match):
        refuse(404)
    query = (
        {key.encode(): str(value).encode() for key, value in json.loads(rest[0]).items()}
        if rest
        else decode(os.environb.get(b"QUERY_STRING", b""))
    )
    if isinstance(query, BadQuery):
        refuse(400)
    invocation = build(found.route, query, found.rest)
    if not isinstance(invocation, CommandLine):
        refuse(invocation.status)
    if not rest:
        head(200, found.route.type)
    os.chdir(found.route.working_directory)
    program, *arguments = table.command
    words: list[str | bytes] = [program, *arguments, *invocation.arguments]
    os.execvp(program, words)


def head(status: int, kind: str) -> None:
    """The head of a CGI answer (RFC 3875, 6.2)."""
    os.write(1, f"Status: {status}\r\nContent-Type: {kind}\r\n\r\n".encode())


def refuse(status: int) -> NoReturn:
    """Answer without a command."""
    if len(sys.argv) == 4:
        head(status, "text/plain")
    sys.exit(1)


if __name__ == "__main__":
    main()
