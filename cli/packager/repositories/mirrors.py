"""One file from several servers that should have the same: tried in order, whatever fails.

A mirror may lag behind, be down, be slow, or lie. Each of these sends the download on to the next
one; what was received already is kept where the hash of the whole is known. After a round in which
some only failed for the moment, there is another one, later.

Downloads whose hash is known are kept in ROOT/downloads while they are not complete, so that a
command that was killed is not begun from nothing by the next one.
"""

from __future__ import annotations

import fcntl
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import BinaryIO, TypeVar, cast

from packager.base.errors import DataError, NotFound, PackagerError, Unavailable, from_os_error
from packager.base.events import Emit
from packager.repositories import retry_policy
from packager.repositories.download import fetch
from packager.repositories.retry_policy import Policy
from packager.repositories.urls import redacted

T = TypeVar("T")

DOWNLOADS = "downloads"
MAX_IDLE_SECONDS = 7 * 86400  # seconds after which an unfinished download is thrown away


def in_order(
    urls: Sequence[str], attempt: Callable[[str, Policy], T], *, policy: Policy, emit: Emit
) -> tuple[str, T]:
    """The first of `urls` for which `attempt(url, policy)` does not fail, and what it returned.

    Those that are only unavailable are tried again, in further rounds. Events: mirror (source,
    reason) before the next one is tried, retrying (source, reason, seconds) before a round. Raises
    what the first URL failed of, with the others' reasons in the message; a 404 counts only if
    there is nothing else.
    """
    if len(urls) == 1:
        return urls[0], attempt(urls[0], policy)
    once = replace(policy, retries=0)
    left = list(urls)
    failures: dict[str, PackagerError] = {}
    for turn in range(policy.retries + 1):
        trying = list(left)
        for at, url in enumerate(trying, 1):
            try:
                return url, attempt(url, once)
            except PackagerError as error:
                failures[url] = error
                if not isinstance(error, Unavailable):
                    left.remove(url)
                if at < len(trying):
                    emit("mirror", source=redacted(url), reason=_reason(url, error))
        if not left or turn == policy.retries:
            break
        jitter = random.random()  # noqa: S311 - no secret
        seconds = retry_policy.back_off(turn, policy.first_delay, policy.longest_delay, jitter)
        shown, reason = redacted(left[0]), _reason(left[0], failures[left[0]])
        emit("retrying", source=shown, reason=reason, seconds=round(seconds, 1))
        time.sleep(seconds)
    raise _failure([failures[url] for url in urls])


def fetch_from(
    urls: Sequence[str],
    file: BinaryIO,
    *,
    policy: Policy,
    emit: Emit,
    sha256: str | None = None,
    size: int | None = None,
) -> str:
    """Download the archive that all `urls` lead to, as `fetch` does, and return the URL it came
    from. Events and errors: those of `fetch` and `in_order`."""

    def attempt(url: str, patience: Policy) -> None:
        _fetch_whole(url, file, patience, emit, sha256, size)

    return in_order(urls, attempt, policy=policy, emit=emit)[0]


def _fetch_whole(
    url: str,
    file: BinaryIO,
    policy: Policy,
    emit: Emit,
    sha256: str | None,
    size: int | None,
) -> None:
    """`fetch`, and once more from nothing if the bytes that were there before were to blame."""
    began = file.seek(0, os.SEEK_END)
    try:
        fetch(url, file, policy=policy, emit=emit, sha256=sha256, size=size)
    except DataError:
        whole = file.seek(0, os.SEEK_END) == size
        _empty(file)
        if not (began and whole):
            raise
        fetch(url, file, policy=policy, emit=emit, sha256=sha256, size=size)


@contextmanager
def part(root: str, sha256: str) -> Iterator[BinaryIO]:
    """The file in which the archive with this hash is being downloaded, with what is there of it.

    It stays if the block fails, unless it is empty, and goes if the block ends well. If another
    command is at it, the file is a fresh one without a name. Raises PackagerError.
    """
    directory = f"{root}/{DOWNLOADS}"
    try:
        os.makedirs(directory, 0o700, exist_ok=True)  # noqa: PTH103
        path = f"{directory}/{sha256}"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = os.path.samestat(os.fstat(fd), os.stat(path))  # noqa: PTH116
        except (BlockingIOError, FileNotFoundError):
            mine = False
        if not mine:
            os.close(fd)
            fd = os.open(directory, os.O_RDWR | os.O_TMPFILE, 0o600)
    except OSError as error:
        raise from_os_error(error, directory) from error
    with cast(BinaryIO, open(fd, "r+b")) as file:  # noqa: PTH123
        try:
            yield file
        except BaseException:
            if mine and not os.fstat(fd).st_size:
                _unlink(path)
            raise
        if mine:
            _unlink(path)


def forget_old(root: str) -> None:
    """Throw away downloads that nobody has gone on with for a week."""
    with suppress(OSError), os.scandir(f"{root}/{DOWNLOADS}") as entries:
        for entry in entries:
            if time.time() - entry.stat(follow_symlinks=False).st_mtime > MAX_IDLE_SECONDS:
                _unlink(entry.path)


def _failure(failures: list[PackagerError]) -> PackagerError:
    """One failure of several: the first that is more than a missing file, with all the reasons."""
    first = next((each for each in failures if not isinstance(each, NotFound)), failures[0])
    return type(first)("; ".join(str(each) for each in failures))


def _reason(url: str, error: PackagerError) -> str:
    return str(error).removeprefix(f"{redacted(url)}: ")


def _empty(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()


def _unlink(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)  # noqa: PTH108
