"""A controller that ends itself by SIGKILL at a place: where something is written down, and where
something is asked for.

    python -m tests.support.killed_controller FILE WHERE WORDS…

runs `rollout WORDS…`, writes a line into FILE for each place that it comes to, and kills itself
right before (WHERE is `7-`) or right after (`7+`) the seventh of them; WHERE `0` is nowhere. Places
are counted over all threads, unlike the system calls that strace(1) counts. They are

- `lock`: a lock file is written anew,
- `write TABLE`: a change of the SQLite file is committed,
- `zookeeper KIND`: a request that changes something in ZooKeeper,
- `ask METHOD TARGET`: the first bytes of an HTTP request.
"""

from __future__ import annotations

import os
import re
import runpy
import signal
import sqlite3
import sys
from asyncio import selector_events
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

Result = TypeVar("Result")

REQUEST = re.compile(rb"(GET|POST) (\S+) HTTP/1\.1\r\n")
TABLE = re.compile(r"(?:INTO|UPDATE|INDEX IF NOT EXISTS|TABLE(?: IF NOT EXISTS)?) (\w+)")
CHANGES = {1: "Create", 2: "Delete", 5: "SetData", 14: "Transaction"}  # ZooKeeper's numbers
LOOKS = ("BEGIN", "PRAGMA", "ROLLBACK", "SELECT")
BEFORE, AFTER = "-", "+"


class Places:
    """The places that a process comes to. file: where they are told; where: see above."""

    def __init__(self, file: Path, where: str) -> None:
        self._log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._at, self._side = int(where.rstrip(BEFORE + AFTER)), where[-1]
        self._count = 0
        self._guard = RLock()

    def come(self, name: str, act: Callable[[], Result]) -> Result:
        """Do what is done at a place, or not any more."""
        with self._guard:  # nothing else is written or asked for between both sides of a place
            self._count += 1
            os.write(self._log, name.encode() + b"\n")
            self._kill(BEFORE)
            result = act()
            self._kill(AFTER)
            return result

    def _kill(self, side: str) -> None:
        if (self._count, side) == (self._at, self._side):
            os.kill(os.getpid(), signal.SIGKILL)


def watch(places: Places) -> None:
    """Have this process come to its places."""

    class Connection(sqlite3.Connection):
        touched = ""

        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            plainly = partial(super().execute, sql, parameters)
            word = sql.split(maxsplit=1)[0]
            if word in LOOKS:
                return plainly()
            if word != "COMMIT":
                found = TABLE.search(sql)
                assert found, sql
                self.touched = found[1]
                if self.in_transaction:
                    return plainly()
            return places.come(f"write {self.touched}", plainly)

    sqlite3.connect = partial(sqlite3.connect, factory=Connection)  # type: ignore[assignment]

    transport: Any = selector_events._SelectorSocketTransport  # type: ignore[attr-defined]
    write = transport.write

    def watched(self: object, data: bytes) -> None:
        found = REQUEST.match(data)
        if found is None:
            write(self, data)
        else:
            places.come(f"ask {found[1].decode()} {found[2].decode()}", lambda: write(self, data))

    transport.write = watched

    truncate = os.ftruncate
    os.ftruncate = lambda fd, length: places.come("lock", lambda: truncate(fd, length))

    try:
        from kazoo.client import KazooClient
    except ImportError:
        return
    call = KazooClient._call

    def called(self: Any, request: Any, async_object: Any) -> Any:
        kind = CHANGES.get(request.type)
        if kind is None:
            return call(self, request, async_object)
        return places.come(f"zookeeper {kind}", lambda: call(self, request, async_object))

    KazooClient._call = called


def main() -> None:
    """See above."""
    file, where, *words = sys.argv[1:]
    watch(Places(Path(file), where))
    sys.argv = ["rollout", *words]
    runpy.run_module("rollout", run_name="__main__")


if __name__ == "__main__":
    main()
