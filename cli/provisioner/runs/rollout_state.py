"""What the host knows of rollouts, read without a lock. It is below ROOT/provisioner/rollouts:

    state.json      the highest fence and whose it is; the last request; what was tried
    lock            held for a moment by whoever writes; an apply may be under way meanwhile
    request.lock    held by the request that is under way, until after its end is written

Written durably, by one rename (see `rollout_book`); no reader sees half of it.
"""

from __future__ import annotations

import json

from packager.api import is_locked
from packager.base.errors import DataError, from_os_error

from provisioner.runs.reader import top_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    class RequestRecord(TypedDict):
        """The last thing that a rollout asked for. exit_code, reason and finished are null until it
        has ended; reason is one line. run: the number of the run that it began."""

        request_id: str | None
        command: str
        revision: str | None
        rollout: str
        attempt: int | None
        fence: int | None
        holder: str | None
        started: str
        exit_code: int | None
        reason: str | None
        run: int | None
        finished: str | None

    class ToldRequest(RequestRecord):
        """As documents have it. state: RUNNING, INTERRUPTED or ENDED."""

        state: str

    class RolloutState(TypedDict):
        """state.json. fence: 0 before the first. attempts: the highest one of each rollout.
        revisions: the keyed digest of each profile. Both are in the order of their last use."""

        format: int
        fence: int
        holder: str | None
        attempts: dict[str, int]
        revisions: dict[str, str]
        request: RequestRecord | None

    class ToldState(TypedDict):
        """What documents have of it."""

        fence: int
        holder: str | None
        request: ToldRequest | None


FORMAT = 1
DIRECTORY = "rollouts"
STATE_FILE = "state.json"
REQUEST_LOCK = "request.lock"
RUNNING, INTERRUPTED, ENDED = "running", "interrupted", "ended"


def rollouts_directory(root: str) -> str:
    """The path of the directory."""
    return f"{top_directory(root)}/{DIRECTORY}"


def read_state(root: str) -> RolloutState:
    """What is known. Raises DataError for what a later version has written, or nobody;
    PackagerError for errno."""
    path = f"{rollouts_directory(root)}/{STATE_FILE}"
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            content = file.read()
    except FileNotFoundError:
        return {
            "format": FORMAT,
            "fence": 0,
            "holder": None,
            "attempts": {},
            "revisions": {},
            "request": None,
        }
    except OSError as error:
        raise from_os_error(error, path, store=root) from error
    try:
        state: RolloutState = json.loads(content)
        if state["format"] != FORMAT:
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DataError(
            f"{path} can't be read by this version of provisioner: use the one that wrote it"
        ) from None
    return state


def told_state(root: str) -> ToldState:
    """What documents have of it. Raises as `read_state`."""
    state = read_state(root)
    if _is_open(state) and not _is_request_running(root):
        state = read_state(root)  # it may have ended between the two looks
        ending = INTERRUPTED
    else:
        ending = RUNNING
    request = state["request"]
    told: ToldRequest | None = None
    if request is not None:
        told = {**request, "state": ending if _is_open(state) else ENDED}
    return {"fence": state["fence"], "holder": state["holder"], "request": told}


def _is_request_running(root: str) -> bool:
    path = f"{rollouts_directory(root)}/{REQUEST_LOCK}"
    try:
        return is_locked(path)
    except OSError as error:
        raise from_os_error(error, path, store=root) from error


def _is_open(state: RolloutState) -> bool:
    """Whether the last request has not told its end."""
    request = state["request"]
    return request is not None and request["exit_code"] is None
