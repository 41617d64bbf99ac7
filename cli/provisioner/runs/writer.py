"""Runs as they are written: durably, under ROOT/provisioner/lock. `reader` has the layout.

begin     a directory with profile and record appears by one rename; `pending` leads to it
update    the record is replaced
finish    `applied` leads to the run, if its profile counts from now on; the record gets its
          outcome; `pending` is deleted
"""

from __future__ import annotations

import errno
import json
import os
import time
from contextlib import contextmanager, suppress

from packager.api import DEFAULT_WAIT_SECONDS, exclusive_lock, is_number, place_link
from packager.base import durable_files
from packager.base.durable_files import opened, replace_file_in, write_new_file
from packager.base.errors import PackagerError, from_os_error
from packager.base.mounts import refuse_mounts
from packager.base.ownership import refuse_others_directories

from provisioner.base.keyed_digest import KEY_BYTES
from provisioner.runs import reader
from provisioner.runs.run import APPLIED, PROFILE_FILE, RECORD_FILE, Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from packager.api import OwnRestart

    from provisioner.profile.model import Profile
    from provisioner.runs.documents import RunGenerations, RunRecord, RunStart

RECORD_FORMAT = 1
MAX_RUNS_KEPT = 50
MAX_GOOD_RUNS_KEPT = 10  # whatever came after them
PRIVATE_MODE = 0o600
HIDDEN_RECORD = f".old-{RECORD_FILE}"  # of a run that is none any more


class RunWriter:
    """What the holder of the lock may do. All methods raise OSError, and what reading raises."""

    def __init__(self, root: str, fd: int) -> None:
        self._root = root
        self._top = reader.top_directory(root)
        self._fd = fd  # of that directory

    def digest_key(self) -> bytes:
        """The key of this store's digests, made now if there is none."""
        found = reader.digest_key(self._root)
        if found is None:
            found = os.urandom(KEY_BYTES)
            temporary = f".{reader.KEY_FILE}.new"
            replace_file_in(
                self._top, reader.KEY_FILE, found, temporary=temporary, mode=PRIVATE_MODE
            )
        return found

    def begin(self, profile: Profile, start: RunStart) -> Run:
        """Write a new run and make it the pending one."""
        kept = reader.run_numbers(self._root)
        number = kept[-1] + 1 if kept else 1
        old = self._old(kept)
        refuse_mounts(self._fd, [f"{reader.RUNS}/{each}" for each in old])
        record: RunRecord = {
            "format": RECORD_FORMAT,
            "run": number,
            **start,
            "outcome": None,
            "reason": None,
            "finished": None,
        }
        with opened(reader.RUNS, self._fd) as runs:
            name = ".new"
            os.mkdir(name, 0o755, dir_fd=runs)
            with opened(name, runs) as made:
                os.fchmod(made, 0o755)  # whatever the umask is
                document = _encode(profile.document)
                write_new_file(PROFILE_FILE, made, document, mode=PRIVATE_MODE, sync=True)
                write_new_file(RECORD_FILE, made, _encode(record), sync=True)
                os.fsync(made)
            os.rename(name, str(number), src_dir_fd=runs, dst_dir_fd=runs)
            os.fsync(runs)
        self._point(reader.PENDING_LINK, number)
        self._delete(old)
        return Run(self._directory(number), number, record)

    def set_generations(self, run: Run, generations: RunGenerations) -> None:
        """Record which generations the run has found and made."""
        run.record["generation"] = generations
        self._save(run)

    def set_own_restart(self, run: Run, restart: OwnRestart) -> None:
        """Record that the unit which this command runs in is about to be restarted."""
        run.record["own_restart"] = restart
        self._save(run)

    def set_reason(self, run: Run, reason: str) -> None:
        """Record why the run could not be ended."""
        run.record["reason"] = reason
        self._save(run)

    def finish(self, run: Run, outcome: str, reason: str | None, *, applied: bool) -> None:
        """End the run. applied: the host is to be in sync with its profile from now on."""
        if applied:
            self._point(reader.APPLIED_LINK, run.number)
        run.record["outcome"] = outcome
        run.record["reason"] = reason
        run.record["finished"] = now()
        self._save(run)
        with suppress(FileNotFoundError):
            os.unlink(reader.PENDING_LINK, dir_fd=self._fd)
        os.fsync(self._fd)

    def _save(self, run: Run) -> None:
        content = _encode(run.record)
        temporary = f".{RECORD_FILE}.new"
        replace_file_in(self._directory(run.number), RECORD_FILE, content, temporary=temporary)

    def _directory(self, number: int) -> str:
        return f"{self._top}/{reader.RUNS}/{number}"

    def _point(self, name: str, number: int) -> None:
        temporary = f".{name}.new"
        place_link(temporary, f"{reader.RUNS}/{number}", self._fd)
        os.rename(temporary, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        os.fsync(self._fd)

    def _old(self, kept: list[int]) -> list[int]:
        """The runs to delete: beyond the newest ones, and the newest of which something came. Those
        that had nothing to do are counted apart: a rollout asks again and again."""
        idle = self._unchanged(kept)
        changing = [number for number in kept if number not in idle]
        beyond = [*changing[: -MAX_RUNS_KEPT + 1], *sorted(idle)[: -MAX_RUNS_KEPT + 1]]
        linked = [reader.applied_run(self._root), reader.pending_run(self._root)]
        needed = {each.number for each in linked if each}
        needed |= {each.previous for each in linked if each and each.previous}  # for `rollback`
        if beyond:
            needed.update(self._good(kept))
        return [number for number in beyond if number not in needed]

    def _unchanged(self, kept: list[int]) -> set[int]:
        """The runs that had nothing to do."""
        if len(kept) < MAX_RUNS_KEPT:
            return set()  # nothing is deleted yet, whatever they are
        found: set[int] = set()
        for number in kept:
            with suppress(PackagerError):
                if reader.read_run(self._root, number).record.get("unchanged"):
                    found.add(number)
        return found

    def _good(self, kept: list[int]) -> list[int]:
        """The newest runs that were healthy: failed ones, be they many, don't displace them."""
        good: list[int] = []
        for number in reversed(kept):
            with suppress(PackagerError):  # a damaged record says nothing
                if reader.read_run(self._root, number).outcome == APPLIED:
                    good.append(number)
            if len(good) == MAX_GOOD_RUNS_KEPT:
                break
        return good

    def _delete(self, old: list[int]) -> None:
        with opened(reader.RUNS, self._fd) as runs:
            for number in old:
                _hide(str(number), runs)
            _delete_leftovers(runs, f"{self._top}/{reader.RUNS}")


@contextmanager
def locked_runs(root: str, *, lock_wait: float = DEFAULT_WAIT_SECONDS) -> Iterator[RunWriter]:
    """Hold provisioner's lock in the store at `root`, which is made if it is not there, inside the
    block. lock_wait: seconds.

    Raises Temporary if another command holds it, PackagerError for the OSError that the block ends
    with.
    """
    os.umask(0o022)  # as packager does: the store is for everybody to read
    try:
        refuse_others_directories(root)
        os.makedirs(root, 0o755, exist_ok=True)  # noqa: PTH103
        top_path = reader.top_directory(root)
        with _opened_top(root) as top, exclusive_lock(top, top_path, lock_wait):
            with opened(reader.RUNS, top) as runs:
                _refuse_mounted_leftovers(runs)
                _refuse_mounted_leftovers(top)
                _delete_leftovers(runs, f"{top_path}/{reader.RUNS}")
            _delete_leftovers(top, top_path)
            yield RunWriter(root, top)
    except OSError as error:
        raise from_os_error(error, reader.top_directory(root), store=root) from error


def now() -> str:
    """The time, UTC, RFC 3339."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@contextmanager
def _opened_top(root: str) -> Iterator[int]:
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        durable_files.make_directory(reader.DIRECTORY, 0o755, root_fd)
        with opened(reader.DIRECTORY, root_fd) as top:
            durable_files.make_directory(reader.RUNS, 0o755, top)
            yield top
    finally:
        os.close(root_fd)


def _hide(name: str, runs: int) -> None:
    """Let the run be one no more, in one step; what is left of it are leftovers."""
    try:
        os.rename(name, f".old-{name}", src_dir_fd=runs, dst_dir_fd=runs)
    except OSError as error:
        if error.errno != errno.EXDEV:  # it came with an image, whose directories stay in place
            raise
        with opened(name, runs) as run:
            os.rename(RECORD_FILE, HIDDEN_RECORD, src_dir_fd=run, dst_dir_fd=run)
            os.fsync(run)


def _delete_leftovers(directory: int, path: str) -> None:
    """Delete what killed commands have left, and runs that are not kept, in the directory at
    `path`."""
    for name in _leftovers(directory):
        try:
            durable_files.remove_tree(name, directory)
        except OSError as error:
            error.filename = f"{path}/{error.filename}"
            raise


def _refuse_mounted_leftovers(directory: int) -> None:
    refuse_mounts(directory, _leftovers(directory))


def _leftovers(directory: int) -> list[str]:
    return [
        name
        for name in os.listdir(directory)
        if name.startswith(".") or (is_number(name) and _is_hidden(name, directory))
    ]


def _is_hidden(name: str, runs: int) -> bool:
    with opened(name, runs) as run:
        found = os.listdir(run)  # noqa: PTH208
    return RECORD_FILE not in found and (HIDDEN_RECORD in found or not found)


def _encode(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
