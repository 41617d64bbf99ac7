"""What provisioner remembers, below ROOT/provisioner: one directory a run that changed the host.

    runs/<n>/profile.json   0600, as it may hold secrets: the profile that was applied
    runs/<n>/record.json    who, when, what became of it (see `begin`)
    applied -> runs/<n>     what the host is held to
    pending -> runs/<n>     a run that has begun to change the host and has not ended
    key                     0600: what digests of secret things are keyed with
    lock                    held by whoever changes the host; readers never wait

Everything is written durably, and whatever stands under its name is whole: directories and links
appear by one rename. A run without an outcome that is not pending was interrupted.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager, suppress

from packager.base import durable_files
from packager.base.durable_files import opened, replace_file_in, write_new_file
from packager.base.errors import DataError, NotFound, from_os_error
from packager.generations import link_tree
from packager.generations.document import is_number
from packager.store import lock

from provisioner.profile.document import Profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from provisioner.profile.document import Document

FORMAT = 1
DIRECTORY = "provisioner"
RUNS = "runs"
APPLIED, PENDING = "applied", "pending"
KEPT = 50  # runs; older ones are forgotten

# Outcomes. A run has none until it has ended.
DONE = "applied"
UNHEALTHY = "unhealthy"  # the conditions are not met, and the profile says to keep it
ROLLED_BACK = "rolled back"
FAILED = "failed"  # neither the profile nor what was before could be brought about, or nothing was


class Run:
    """One run: its number and its record, as it is on the disk."""

    __slots__ = ("number", "record", "root")

    def __init__(self, root: str, number: int, record: Document) -> None:
        self.root = root
        self.number = number
        self.record = record

    def profile(self) -> Profile:
        """Its profile. Raises DataError, Denied for who may not read it."""
        path = f"{_top(self.root)}/{RUNS}/{self.number}/profile.json"
        return Profile(_read_json(path, "the profile of a run"))

    @property
    def outcome(self) -> str | None:
        found = self.record["outcome"]
        return None if found is None else str(found)

    @property
    def packages(self) -> tuple[str, ...]:
        """The ids of its set, that of its configuration included."""
        return tuple(self.record["packages"])

    @property
    def configuration(self) -> str | None:
        """The id of the package that its configuration was rendered into, None if it has none."""
        found = self.record["configuration"]
        return None if found is None else str(found)

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(self.record["roles"])

    @property
    def before(self) -> int | None:
        """The number of the generation to go back to; None: nothing was active."""
        found = self.record["generation"]["before"]
        return None if found is None else int(found)

    @property
    def found(self) -> int | None:
        """The number of the generation that was active when it began: `before`, or that of an
        interrupted run, which has not been through the gate."""
        found = self.record["generation"]["found"]
        return None if found is None else int(found)

    @property
    def after(self) -> int | None:
        """The number of the generation that it made active, once it has."""
        found = self.record["generation"]["after"]
        return None if found is None else int(found)


def applied(root: str) -> Run | None:
    """The run that the host is held to. Raises DataError, PackagerError for errno."""
    return _linked(root, APPLIED)


def pending(root: str) -> Run | None:
    """The run that is under way, or was interrupted. Raises as `applied`."""
    return _linked(root, PENDING)


def read(root: str, number: int) -> Run:
    """Run `number`. Raises NotFound, DataError, PackagerError for errno."""
    path = f"{_top(root)}/{RUNS}/{number}"
    if not os.path.lexists(path):
        raise NotFound(f"run {number} is not kept in {root}; see 'provisioner history'")
    return Run(root, number, _read_json(f"{path}/record.json", "the record of a run"))


def numbers(root: str) -> list[int]:
    """The numbers of all runs that are kept, sorted. Raises PackagerError for errno."""
    try:
        names = os.listdir(f"{_top(root)}/{RUNS}")  # noqa: PTH208
    except FileNotFoundError:
        return []
    except OSError as error:
        raise from_os_error(error, root) from error
    return sorted(int(name) for name in names if is_number(name))


def key(root: str) -> bytes | None:
    """The key of this store's digests; None: none was needed yet. Raises as `applied`."""
    path = f"{_top(root)}/key"
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise from_os_error(error, path) from error


class Writer:
    """What the holder of the lock may do."""

    def __init__(self, root: str, fd: int) -> None:
        self._root = root
        self._fd = fd  # of ROOT/provisioner

    def key(self) -> bytes:
        """The key of this store's digests, made now if there is none."""
        found = key(self._root)
        if found is None:
            found = os.urandom(32)
            replace_file_in(_top(self._root), "key", found, temporary=".key.new", mode=0o600)
        return found

    def begin(self, profile: Profile, record: Document) -> Run:
        """Write a new run and make it the pending one. `record` has what is to be remembered:

        command, profile {name, digest}, time, who, request_id, packages, configuration, roles,
        generation {before, found, after}, restart, inputs. outcome, reason and finished are null.
        """
        found = numbers(self._root)
        number = found[-1] + 1 if found else 1
        whole = {"format": FORMAT, "run": number, **record}
        whole |= {"outcome": None, "reason": None, "finished": None}
        with opened(RUNS, self._fd) as runs:
            name = ".new"
            os.mkdir(name, 0o755, dir_fd=runs)
            with opened(name, runs) as made:
                os.fchmod(made, 0o755)  # whatever the umask is
                document = _encode(profile.document)
                write_new_file("profile.json", made, document, mode=0o600, sync=True)
                write_new_file("record.json", made, _encode(whole), sync=True)
                os.fsync(made)
            os.rename(name, str(number), src_dir_fd=runs, dst_dir_fd=runs)
            os.fsync(runs)
        self._point(PENDING, number)
        self._forget(found)
        return Run(self._root, number, whole)

    def update(self, run: Run, **fields: object) -> None:
        """Change the run's record."""
        run.record |= fields
        directory = f"{_top(self._root)}/{RUNS}/{run.number}"
        content = _encode(run.record)
        replace_file_in(directory, "record.json", content, temporary=".record.json.new")

    def finish(self, run: Run, outcome: str, reason: str | None, *, held: bool) -> None:
        """End the run; held: it is what the host is held to from now on."""
        if held:
            self._point(APPLIED, run.number)
        self.update(run, outcome=outcome, reason=reason, finished=now())
        with suppress(FileNotFoundError):
            os.unlink(PENDING, dir_fd=self._fd)
        os.fsync(self._fd)

    def _point(self, name: str, number: int) -> None:
        temporary = f".{name}.new"
        link_tree.place_link(temporary, f"{RUNS}/{number}", self._fd)
        os.rename(temporary, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        os.fsync(self._fd)

    def _forget(self, found: list[int]) -> None:
        """Delete runs beyond the newest ones that nothing leads to."""
        runs_held = [each for each in (applied(self._root), pending(self._root)) if each]
        held = {each.number for each in runs_held}
        held |= {each.record["previous"] for each in runs_held}  # where `rollback` goes
        with opened(RUNS, self._fd) as runs:
            for number in found[: -KEPT + 1]:
                if number not in held:
                    os.rename(str(number), f".old-{number}", src_dir_fd=runs, dst_dir_fd=runs)
            _sweep(runs)


def is_busy(root: str) -> bool:
    """Whether somebody holds the lock now. Raises PackagerError for errno."""
    import fcntl

    try:
        fd = os.open(f"{_top(root)}/{lock.NAME}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise from_os_error(error, _top(root)) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


@contextmanager
def writing(root: str, *, lock_wait: float = lock.DEFAULT_WAIT) -> Iterator[Writer]:
    """Hold the lock of the store at `root`, which is made if it is not there, inside the block.

    Raises Temporary if another one holds it, PackagerError for whatever errno the block ends with.
    """
    os.umask(0o022)  # as packager does: the store is for everybody to read
    try:
        os.makedirs(root, 0o755, exist_ok=True)  # noqa: PTH103
        with _opened_top(root) as top, lock.exclusive(top, _top(root), lock_wait):
            with opened(RUNS, top) as runs:
                _sweep(runs)
            _sweep(top)
            yield Writer(root, top)
    except OSError as error:
        raise from_os_error(error, _top(root)) from error


def now() -> str:
    """The time, UTC, RFC 3339."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@contextmanager
def _opened_top(root: str) -> Iterator[int]:
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        durable_files.make_directory(DIRECTORY, 0o755, root_fd)
        with opened(DIRECTORY, root_fd) as top:
            durable_files.make_directory(RUNS, 0o755, top)
            yield top
    finally:
        os.close(root_fd)


def _sweep(directory: int) -> None:
    """Delete what killed ones have left, and what is forgotten."""
    for name in os.listdir(directory):
        if name.startswith("."):
            durable_files.remove_tree(name, directory)


def _linked(root: str, name: str) -> Run | None:
    path = f"{_top(root)}/{name}"
    for _ in range(100):
        try:
            target = os.readlink(path)  # noqa: PTH115
        except FileNotFoundError:
            return None
        except OSError as error:
            raise from_os_error(error, path) from error
        directory, _, number = target.partition("/")
        if directory != RUNS or not is_number(number):
            raise DataError(f"{path} leads to {target!r}, which is not a run")
        try:
            return read(root, int(number))
        except NotFound:  # it was forgotten between the two reads, or is lost
            if os.readlink(path) == target:  # noqa: PTH115
                raise
    raise DataError(f"{path} changes faster than it can be read")


def _read_json(path: str, what: str) -> Document:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            document = json.loads(file.read())
        if not isinstance(document, dict):
            raise ValueError
    except OSError as error:
        raise from_os_error(error, path) from error
    except (ValueError, RecursionError):
        raise DataError(f"{path}: not {what}") from None
    return document


def _encode(document: Document) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _top(root: str) -> str:
    return f"{root}/{DIRECTORY}"
