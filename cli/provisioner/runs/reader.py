"""What provisioner knows of its runs, read without a lock. It is below ROOT/provisioner:

    runs/<n>/profile.json   0600, as it may contain secrets: the profile that was applied
    runs/<n>/record.json    who, when, what it came to (see `documents.RunRecord`)
    applied -> runs/<n>     the run whose profile the host is to be in sync with
    pending -> runs/<n>     a run that has begun to change the host and has not ended
    key                     0600: the key of digests of secrets
    lock                    held by the command that changes the host; readers never wait

Everything is written durably (see `writer`), and no reader sees half of a file: directories and
links appear by one rename. A run without an outcome that is not pending was interrupted.
"""

from __future__ import annotations

import os

from packager.api import LOCK_NAME, is_locked, is_number
from packager.base.errors import DataError, NotFound, from_os_error

from provisioner.runs.run import RECORD_FILE, Run, read_record

DIRECTORY = "provisioner"
RUNS = "runs"
APPLIED_LINK, PENDING_LINK = "applied", "pending"
KEY_FILE = "key"
MAX_LINK_READS = 100


def top_directory(root: str) -> str:
    """The path of provisioner's directory in the store at `root`."""
    return f"{root}/{DIRECTORY}"


def applied_run(root: str) -> Run | None:
    """The run whose profile the host is to be in sync with. Raises DataError, PackagerError for
    errno."""
    return _linked_run(root, APPLIED_LINK)


def pending_run(root: str) -> Run | None:
    """The run that is under way, or was interrupted. Raises as `applied_run`."""
    return _linked_run(root, PENDING_LINK)


def read_run(root: str, number: int) -> Run:
    """Run `number`. Raises NotFound, DataError, PackagerError for errno."""
    directory = f"{top_directory(root)}/{RUNS}/{number}"
    if not os.path.lexists(f"{directory}/{RECORD_FILE}"):
        raise NotFound(f"run {number} is not kept in {root}; see 'provisioner history'")
    return Run(directory, number, read_record(directory))


def run_numbers(root: str) -> list[int]:
    """The numbers of all runs that are kept, sorted. Raises PackagerError for errno."""
    try:
        names = os.listdir(f"{top_directory(root)}/{RUNS}")  # noqa: PTH208
    except FileNotFoundError:
        return []
    except OSError as error:
        raise from_os_error(error, store=root) from error
    return sorted(int(name) for name in names if is_number(name))


def digest_key(root: str) -> bytes | None:
    """The key of this store's digests; None: there is none yet. Raises PackagerError for errno."""
    path = f"{top_directory(root)}/{KEY_FILE}"
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise from_os_error(error, path, store=root) from error


def is_apply_running(root: str) -> bool:
    """Whether a command that changes the host is at work now. Raises PackagerError for errno."""
    top = top_directory(root)
    try:
        return is_locked(f"{top}/{LOCK_NAME}")
    except OSError as error:
        raise from_os_error(error, top, store=root) from error


def _linked_run(root: str, name: str) -> Run | None:
    path = f"{top_directory(root)}/{name}"
    for _ in range(MAX_LINK_READS):
        try:
            target = os.readlink(path)  # noqa: PTH115
        except FileNotFoundError:
            return None
        except OSError as error:
            raise from_os_error(error, path, store=root) from error
        directory, _, number = target.partition("/")
        if directory != RUNS or not is_number(number):
            raise DataError(f"{path} leads to {target!r}, which is not a run")
        try:
            return read_run(root, int(number))
        except NotFound:  # it was deleted between the two reads, or is lost
            if os.readlink(path) == target:  # noqa: PTH115
                raise
    raise DataError(f"{path} changes faster than it can be read")
