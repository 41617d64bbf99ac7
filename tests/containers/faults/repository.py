"""A repository for a container of its own; runs there: serves a directory and tells what is asked.

    python3 repository.py PORT DIRECTORY [PATH=FAULT]...

A fault is what the first request for that path meets: `stall` is half of the file and then nothing,
`reset` the same and then a reset, `slow` the whole file, a piece at a time. Later requests get what
they ask for, ranges too. `always-stall` stalls every time. Each request is a line on standard
output: the path, and the range or `whole`.
"""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

from tests.support.web_server import Answer, Request, Web, head, ranged, reset, serve, stall

ETAG = '"the only one"'
PIECE = 1 << 16
INTERVAL = 0.1


def slowly(data: bytes) -> Answer:
    """The whole of it, for as long as somebody listens."""

    def answer(connection: socket.socket, request: Request, web: Web) -> None:
        connection.sendall(head("200 OK", Content_Length=len(data), ETag=ETAG))
        for start in range(0, len(data), PIECE):
            connection.sendall(data[start : start + PIECE])
            web.closing.wait(INTERVAL)

    return answer


def fault(name: str, data: bytes) -> Answer:
    """How a file with this content is served badly."""
    half = len(data) // 2
    if name == "slow":
        return slowly(data)
    if name == "reset":
        return reset(data, half, ETag=ETAG)
    return stall(head("200 OK", Content_Length=len(data), ETag=ETAG), data[:half])


def main(port: str, directory: str, *orders: str) -> None:
    """Serve until the container ends."""
    faults = dict(order.split("=") for order in orders)

    def answer(connection: socket.socket, request: Request, web: Web) -> None:
        path = request.line.split(" ")[1]
        print(path, request.headers.get("range", "whole"), flush=True)
        data = Path(directory, path.lstrip("/")).read_bytes()
        name = faults.get(path)
        if name and not name.startswith("always-"):
            del faults[path]
        (fault(name, data) if name else ranged(data, ETag=ETAG))(connection, request, web)

    with serve(answer, address=("0.0.0.0", int(port))):
        print("serving", flush=True)
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
