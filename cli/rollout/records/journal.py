"""The journal: what happened, for reports. In the file of the SQLite store, on the machine of the
controller; what other machines' controllers saw is in theirs.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from packager.base.errors import ConfigError, InputOutputError

from rollout.core.events import Event, EventKind
from rollout.records.private_file import make_private

TABLES = (
    "CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY, rollout TEXT NOT NULL,"
    " at REAL NOT NULL, elapsed REAL NOT NULL, kind TEXT NOT NULL, host TEXT, details TEXT NOT NULL"
    ")",
    "CREATE INDEX IF NOT EXISTS events_of_rollout ON events (rollout, number)",
    "CREATE TABLE IF NOT EXISTS places (rollout TEXT PRIMARY KEY, place TEXT NOT NULL,"
    " began INTEGER NOT NULL) WITHOUT ROWID",
)
LOCAL = ""  # the place of a rollout whose record is in the same file


def default_path() -> Path:
    """Where the journal is if nobody says otherwise (XDG Base Directory Specification)."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "rollout" / "journal.db"


class Journal:
    """The journal at `path`, made if it is not there."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises PackagerError."""
        self._path = path
        make_private(path)
        with self._translated():
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=10)
            self._connection.execute("PRAGMA journal_mode = WAL")
            # It is for reports: the truth is in the record, which is written with every care.
            self._connection.execute("PRAGMA synchronous = NORMAL")
            for table in TABLES:
                self._connection.execute(table)

    def add(self, rollout: str, event: Event) -> None:
        """Write an event down. Raises PackagerError."""
        row = (
            rollout,
            event.at,
            event.elapsed,
            event.kind.value,
            event.host,
            json.dumps(event.details, ensure_ascii=False),
        )
        with self._translated():
            self._connection.execute(
                "INSERT INTO events (rollout, at, elapsed, kind, host, details)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )

    def events(self, rollout: str) -> list[Event]:
        """What was seen of a rollout here, in order. Raises PackagerError."""
        with self._translated():
            rows = self._connection.execute(
                "SELECT kind, at, elapsed, host, details FROM events WHERE rollout = ?"
                " ORDER BY number",
                (rollout,),
            ).fetchall()
        return [
            Event(EventKind(kind), at, elapsed, host, json.loads(details))
            for kind, at, elapsed, host, details in rows
        ]

    def remember(self, rollout: str, place: str) -> None:
        """Keep where the record of a rollout is: `zk://…`, or LOCAL. Raises PackagerError."""
        with self._translated():
            self._connection.execute(
                "INSERT OR IGNORE INTO places VALUES (?, ?, (SELECT count(*) FROM places))",
                (rollout, place),
            )

    def places(self) -> dict[str, str]:
        """Where the records of the rollouts are that this machine knows; the newest comes last.
        Raises PackagerError."""
        with self._translated():
            rows = self._connection.execute(
                "SELECT rollout, place FROM places ORDER BY began, rollout"
            ).fetchall()
        return dict(rows)

    def close(self) -> None:
        """End it."""
        self._connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise InputOutputError(f"{self._path}: {error}; look at the disk") from error
        except sqlite3.DatabaseError as error:
            raise ConfigError(f"{self._path} is no journal of rollout: {error}") from error
