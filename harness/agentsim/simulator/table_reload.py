"""A route table that changes on disk is served as it is now, without a restart.

Files are looked at once a second: their times, size and inode tell. A table with a mistake is
reported and the one from before stays; a request is always answered by one table as a whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from agentsim.core.route_table import Table, TableError, parse
from agentsim.files.table_file import UnreadableTable, read_table_file
from agentsim.simulator.agent import Agent
from agentsim.simulator.log import Log

_INTERVAL_SECONDS = 1.0

_Signature = tuple[int, int, int, int] | None


class _File:
    __slots__ = ("path", "process", "reported", "signature")

    def __init__(self, path: Path, process: str) -> None:
        self.path = path
        self.process = process
        self.signature = _signature(path)
        self.reported: list[str] = []  # why it can't be used now


class Reloader:
    """Looks at the files of the tables that are served.

    Args:
        loop: the event loop; the first look comes an interval from now.
        agent: serves the tables.
        paths: their files, absolute, in the order of `tables`.
        tables: what was read from them at the start.
        log: told of every change.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        agent: Agent,
        paths: Sequence[Path],
        tables: Sequence[Table],
        log: Log,
    ) -> None:
        self._loop = loop
        self._agent = agent
        self._log = log
        self._files = [
            _File(path, table.process) for path, table in zip(paths, tables, strict=True)
        ]
        loop.call_later(_INTERVAL_SECONDS, self._look)

    def _look(self) -> None:
        for file in self._files:
            signature = _signature(file.path)
            if signature != file.signature and self._reload(file):
                file.signature = signature
                file.reported = []
        self._loop.call_later(_INTERVAL_SECONDS, self._look)

    def _reload(self, file: _File) -> bool:
        """Whether that settles it; else it is tried again at the next look."""
        try:
            table = parse(read_table_file(file.path), str(file.path))
        except UnreadableTable as error:
            self._refuse(file, [str(error)])
            return False
        except TableError as error:
            self._refuse(file, list(map(str, error.mistakes)))
            return True
        if any(table.process == other.process for other in self._files if other is not file):
            text = f"{file.path}: /process: another table has the process id {table.process!r}"
            self._refuse(file, [text])  # which may be about to change, too
            return False
        self._agent.replace(file.process, table)
        file.process = table.process
        routes = len(table.routes)
        self._log.say(
            f"{file.path} has changed: serving /{table.process} by it from now on,"
            f" {routes} {'route' if routes == 1 else 'routes'}"
        )
        return True

    def _refuse(self, file: _File, problems: list[str]) -> None:
        if problems == file.reported:
            return
        file.reported = problems
        for problem in problems:
            self._log.say(problem)
        self._log.say(f"{file.path} has changed and can't be used: its routes stay as they were")


def _signature(path: Path) -> _Signature:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
