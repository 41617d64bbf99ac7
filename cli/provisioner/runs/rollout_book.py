"""What the host knows of rollouts, as it is written: durably, under a lock of its own, which is
held for a moment. `rollout_state` has the layout.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, contextmanager

from packager.api import DEFAULT_WAIT_SECONDS, environment_variable, exclusive_lock
from packager.base import durable_files
from packager.base.durable_files import opened, replace_file_in
from packager.base.errors import Conflict, PackagerError, from_os_error
from packager.base.ownership import refuse_others_directories

from provisioner.runs import reader
from provisioner.runs.rollout_state import (
    DIRECTORY,
    REQUEST_LOCK,
    STATE_FILE,
    read_state,
    rollouts_directory,
)
from provisioner.runs.writer import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from provisioner.base.rollout_caller import RolloutCaller
    from provisioner.runs.rollout_state import RolloutState

MAX_KEPT = 50  # rollouts, and revisions
MAX_REASON_CHARACTERS = 500


class RolloutRequest:
    """A request that is under way; who carries it out says which run it has begun."""

    __slots__ = ("run",)

    def __init__(self) -> None:
        self.run: int | None = None


def raise_fence(root: str, number: int, holder: str) -> None:
    """Have controllers with a lower number refused from now on. Raises Conflict for a lower one, or
    the same of another holder; PackagerError."""
    with _locked_state(root) as state:
        _check_fence(state, number, holder)


def check_caller(root: str, caller: RolloutCaller) -> None:
    """Refuse a controller that another one has followed; its fence is known from now on. Raises
    Conflict, PackagerError."""
    if caller.fence is not None and caller.holder is not None:
        raise_fence(root, caller.fence, caller.holder)


def bind_revision(root: str, caller: RolloutCaller, digest: str) -> None:
    """Let the revision of the caller stand for the profile with this keyed digest from now on.
    Raises Conflict if it stands for another one; PackagerError."""
    revision = caller.revision
    if revision is None:
        return
    with _locked_state(root) as state:
        known = state["revisions"]
        if known.get(revision, digest) != digest:
            raise Conflict(f"revision {revision} is known here with another profile")
        _keep_last(known, revision, digest)


@contextmanager
def recorded_request(root: str, command: str, caller: RolloutCaller) -> Iterator[RolloutRequest]:
    """Keep what a rollout asks for, before and after it is done in the block; for a person nothing
    is kept. The caller holds provisioner's lock.

    A signal leaves it open, as a kill does. Raises Conflict for a controller that another one has
    followed, and for an attempt that is not higher than all before: nothing is kept then.
    """
    request = RolloutRequest()
    if caller.rollout is None:
        check_caller(root, caller)
        yield request
        return
    with _request_lock(root):
        _begin(root, command, caller)
        try:
            yield request
        except PackagerError as error:
            _end(root, request, error.exit_code, str(error))
            raise
        except OSError as error:
            failure = from_os_error(error, store=root)
            _end(root, request, failure.exit_code, str(failure))
            raise
        except Exception as error:
            _end(root, request, PackagerError.exit_code, f"internal error ({type(error).__name__})")
            raise
        _end(root, request, 0, None)


def _begin(root: str, command: str, caller: RolloutCaller) -> None:
    rollout, attempt = caller.rollout, caller.attempt
    assert rollout is not None
    with _locked_state(root) as state:
        if caller.fence is not None and caller.holder is not None:
            _check_fence(state, caller.fence, caller.holder)
        if attempt is not None:
            if attempt <= state["attempts"].get(rollout, 0):
                raise Conflict(f"attempt {attempt} of rollout {rollout}, or a later one, was here")
            _keep_last(state["attempts"], rollout, attempt)
        state["request"] = {
            "request_id": environment_variable("ABI_REQUEST_ID"),
            "command": command,
            "revision": caller.revision,
            "rollout": rollout,
            "attempt": attempt,
            "fence": caller.fence,
            "holder": caller.holder,
            "started": now(),
            "exit_code": None,
            "reason": None,
            "run": None,
            "finished": None,
        }


def _end(root: str, request: RolloutRequest, exit_code: int, reason: str | None) -> None:
    with _locked_state(root) as state:
        record = state["request"]
        assert record is not None, "nobody else writes one while provisioner's lock is held"
        record["exit_code"] = exit_code
        line = (reason or "").strip().partition("\n")[0]
        record["reason"] = line[:MAX_REASON_CHARACTERS] or None
        record["run"] = request.run
        record["finished"] = now()


def _check_fence(state: RolloutState, number: int, holder: str) -> None:
    known, whose = state["fence"], state["holder"]
    if number < known or (number == known and whose not in (None, holder)):
        raise Conflict(
            f"fence {number} of {holder} is not above {known}, which {whose} holds: another "
            "controller has taken this host over"
        )
    state["fence"], state["holder"] = number, holder


def _keep_last(known: dict[str, Any], name: str, value: object) -> None:
    """The newest come last, and so many are kept."""
    known.pop(name, None)
    known[name] = value
    while len(known) > MAX_KEPT:
        del known[next(iter(known))]


@contextmanager
def _request_lock(root: str) -> Iterator[None]:
    """Held for as long as a request is under way: provisioner's own lock does not tell who holds
    it, and a request that was killed is none that runs because somebody else's apply does."""
    with ExitStack() as held:
        place = rollouts_directory(root)
        try:
            directory = held.enter_context(_opened_place(root))
            held.enter_context(exclusive_lock(directory, place, DEFAULT_WAIT_SECONDS, REQUEST_LOCK))
        except OSError as error:
            raise from_os_error(error, place, store=root) from error
        yield


@contextmanager
def _locked_state(root: str) -> Iterator[RolloutState]:
    """The state, which is written at the end of the block if that has changed it."""
    place = rollouts_directory(root)
    try:
        with (
            _opened_place(root) as directory,
            exclusive_lock(directory, place, DEFAULT_WAIT_SECONDS),
        ):
            state = read_state(root)
            before = _encoded(state)
            yield state
            after = _encoded(state)
            if after != before:
                replace_file_in(place, STATE_FILE, after, temporary=f".{STATE_FILE}.new")
    except OSError as error:
        raise from_os_error(error, place, store=root) from error


@contextmanager
def _opened_place(root: str) -> Iterator[int]:
    os.umask(0o022)
    refuse_others_directories(root)
    os.makedirs(root, 0o755, exist_ok=True)  # noqa: PTH103
    top_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        durable_files.make_directory(reader.DIRECTORY, 0o755, top_fd)
        with opened(reader.DIRECTORY, top_fd) as top:
            durable_files.make_directory(DIRECTORY, 0o755, top)
            with opened(DIRECTORY, top) as place:
                yield place
    finally:
        os.close(top_fd)


def _encoded(state: RolloutState) -> bytes:
    return json.dumps(state, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
