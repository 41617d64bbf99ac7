"""A store in a file: SQLite, and flock(2) for its locks. For one machine."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from urllib.parse import quote, unquote

from packager.base.errors import ConfigError, InputOutputError, Temporary, from_os_error

from rollout.records.private_file import make_private
from rollout.records.store import MISSING, Changed, Entry, Held, Lock, Lost, Write

LOCK_WAIT_SECONDS = 10
LOCK_TRIES = 3
LOCK_PAUSE_SECONDS = 0.02
MAX_HOLDER_BYTES = 1 << 16
VERSION = 1  # of the tables
TABLES = """
CREATE TABLE documents (
    folder TEXT NOT NULL, name TEXT NOT NULL, content BLOB NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (folder, name)
) WITHOUT ROWID
"""


class SqliteStore:
    """The store in the file at `path`, which is made if it is not there."""

    is_shared = False

    def __init__(self, path: Path) -> None:
        """Open it. Raises PackagerError."""
        self._path = path
        self._guard = RLock()
        make_private(path)
        with self._translated():
            self._connection = sqlite3.connect(
                path, timeout=LOCK_WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            with self._transaction():
                (version,) = self._connection.execute("PRAGMA user_version").fetchone()
                if version == 0:
                    self._connection.execute(TABLES)
                    self._connection.execute(f"PRAGMA user_version = {VERSION}")
            if version > VERSION:
                self.close()
                raise ConfigError(f"{path}: a later version of rollout has made it: use that one")

    def read(self, path: tuple[str, ...]) -> Entry | None:
        """See `Store`."""
        with self._translated():
            found = self._connection.execute(
                "SELECT content, version FROM documents WHERE folder = ? AND name = ?", _key(path)
            ).fetchone()
        return None if found is None else Entry(*found)

    def names(self, path: tuple[str, ...]) -> list[str]:
        """See `Store`."""
        folder = "/".join(map(_quoted, path))
        below = folder + "/" if folder else ""
        with self._translated():
            rows = self._connection.execute(
                "SELECT name FROM documents WHERE folder = ?"
                " UNION SELECT substr(folder, ?) FROM documents"
                " WHERE substr(folder, 1, ?) = ? AND folder != ''",
                (folder, len(below) + 1, len(below), below),
            ).fetchall()
        return sorted({unquote(name.split("/")[0]) for (name,) in rows})

    def write(self, writes: Sequence[Write]) -> list[int]:
        """See `Store`."""
        with self._translated(), self._transaction():
            return [self._write(each) for each in writes]

    def lock(self, name: str, holder: bytes) -> Lock:
        """See `Store`; raises PackagerError."""
        path = self._lock_path(name)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if not _flocked(fd, fcntl.LOCK_EX):
                told = os.read(fd, MAX_HOLDER_BYTES)
                os.close(fd)
                raise Held(f"{name} is locked", told)
            os.ftruncate(fd, 0)
            os.write(fd, holder)
        except OSError as error:
            raise from_os_error(error, str(path)) from error
        return _FileLock(path, fd)

    def holder(self, name: str) -> bytes | None:
        """See `Store`."""
        path = self._lock_path(name)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise from_os_error(error, str(path)) from error
        try:
            is_free = _flocked(fd, fcntl.LOCK_SH, tries=1)
            return None if is_free else os.read(fd, MAX_HOLDER_BYTES)
        finally:
            os.close(fd)

    def close(self) -> None:
        """See `Store`."""
        self._connection.close()

    def _lock_path(self, name: str) -> Path:
        return self._path.with_name(f"{self._path.name}.{_quoted(name)}.lock")

    def _write(self, change: Write) -> int:
        folder, name = _key(change.path)
        if change.version == MISSING:
            try:
                self._connection.execute(
                    "INSERT INTO documents VALUES (?, ?, ?, 0)", (folder, name, change.content)
                )
            except sqlite3.IntegrityError:
                raise Changed(f"{'/'.join(change.path)} is there already") from None
            return 0
        done = self._connection.execute(
            "UPDATE documents SET content = ?, version = version + 1"
            " WHERE folder = ? AND name = ? AND version = ?",
            (change.content, folder, name, change.version),
        )
        if done.rowcount != 1:
            raise Changed(f"{'/'.join(change.path)} was written to by somebody else")
        return change.version + 1

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._guard:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """SQLite's errors as the project's. It is the block's only user of the connection."""
        with self._guard:
            try:
                yield
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise Temporary(f"{self._path} is busy; try again") from error
                raise InputOutputError(f"{self._path}: {error}; look at the disk") from error
            except sqlite3.DatabaseError as error:
                raise ConfigError(f"{self._path} is no journal of rollout: {error}") from error


class _FileLock:
    def __init__(self, path: Path, fd: int) -> None:
        self._path = path
        self._fd: int | None = fd

    def confirm(self) -> None:
        try:
            held = self._fd is not None and os.path.samestat(
                os.fstat(self._fd),
                os.stat(self._path),  # noqa: PTH116
            )
        except FileNotFoundError:
            held = False
        if not held:
            self.release()
            raise Lost(f"{self._path} was taken away, and with it the lock")

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _flocked(fd: int, how: int, *, tries: int = LOCK_TRIES) -> bool:
    """Whether the lock was had. Who only looks for its holder has it for a moment."""
    for at in range(tries):
        if at:
            time.sleep(LOCK_PAUSE_SECONDS)
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        return True
    return False


def _key(path: tuple[str, ...]) -> tuple[str, str]:
    return "/".join(map(_quoted, path[:-1])), _quoted(path[-1])


def _quoted(name: str) -> str:
    return quote(name, safe="@:._-")
