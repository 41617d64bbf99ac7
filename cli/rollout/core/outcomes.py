"""What became of what a host was asked for, by what it says itself: its documents, judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

FENCED = 73  # exit status of a host's refusal: another controller, a later attempt, another profile
BUSY = 75
ROLLED_BACK = "rolled back"
UNENDED = (None, "unfinished", "interrupted")
MAX_CAUSE_CHARACTERS = 300


class Became(StrEnum):
    """What became of an apply, or of a rollback."""

    APPLIED = "applied"
    FAILED = "failed"
    ROLLED_BACK = "rolled-back"
    NOT_BEGUN = "not-begun"
    RUNNING = "running"
    INTERRUPTED = "interrupted"  # its process ended before it did


@dataclass(frozen=True)
class Outcome:
    """cause: why, without anything of the one host in it, as far as it can be told apart."""

    became: Became
    cause: str = ""


@dataclass(frozen=True)
class ToldFence:
    """The highest fence that a host has seen, and whose."""

    number: int
    holder: str | None

    def is_foreign(self, number: int, holder: str) -> bool:
        """Whether it says that the controller `holder` with this number is not the last one."""
        return self.number > number or (self.number == number and self.holder != holder)


def ended(exit_code: int | None, words: str, *, went_back: bool) -> Outcome:
    """What became of a command that has told its end. went_back: it said that it goes back."""
    if exit_code == 0:
        return Outcome(Became.APPLIED)
    if exit_code is None:
        return Outcome(Became.INTERRUPTED, cause(words) or "it was killed")
    became = Became.ROLLED_BACK if went_back else Became.FAILED
    return Outcome(became, cause(words) or f"exit code {exit_code}")


def of_attempt(history: Mapping[str, Any], rollout: str, attempt: int) -> Outcome:
    """What the document `history` of a host says of an attempt. Raises ValueError for a document
    that is none."""
    runs = history.get("runs")
    if not isinstance(runs, list):
        raise ValueError("it has no runs")
    run = next(
        (
            each
            for each in reversed(runs)
            if isinstance(each, dict)
            and each.get("rollout") == rollout
            and each.get("attempt") == attempt
        ),
        None,
    )
    request = history.get("request")
    is_ours = (
        isinstance(request, dict)
        and request.get("rollout") == rollout
        and request.get("attempt") == attempt
    )
    if isinstance(request, dict) and is_ours:
        state = request.get("state")
        if state == "running":
            return Outcome(Became.RUNNING)
        if state == "interrupted":
            return _of_run(run)  # it may have come to its end, and not have told it
        code = request.get("exit_code")
        went_back = run is not None and run.get("outcome") == ROLLED_BACK
        words = request.get("reason") or (run or {}).get("reason") or ""
        return ended(code if isinstance(code, int) else None, str(words), went_back=went_back)
    return Outcome(Became.NOT_BEGUN) if run is None else _of_run(run)


def _of_run(run: Mapping[str, Any] | None) -> Outcome:
    outcome = None if run is None else run.get("outcome")
    words = str((run or {}).get("reason") or "")
    if outcome == "applied":
        return Outcome(Became.APPLIED)
    if outcome in UNENDED:
        return Outcome(Became.INTERRUPTED, "it was interrupted")
    became = Became.ROLLED_BACK if outcome == ROLLED_BACK else Became.FAILED
    return Outcome(became, cause(words) or "it failed")


def fence_told(document: Mapping[str, Any]) -> ToldFence | None:
    """The fence in a host's `history` or answer to `fence`; None: its provisioner knows none."""
    number, holder = document.get("fence"), document.get("holder")
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    return ToldFence(number, holder if isinstance(holder, str) else None)


def gate_flaw(status: Mapping[str, Any], *, checks: bool) -> str:
    """Why a host that says this of itself is not well; empty: it is. checks: whether its packages'
    checks count."""
    if status.get("in_sync") is True:
        return ""
    differences = status.get("differences")
    if not isinstance(differences, list):
        return "its status can't be understood"
    counted = [
        each
        for each in differences
        if isinstance(each, dict) and (checks or each.get("kind") != "check")
    ]
    if not counted:
        return "" if differences else "it is not in sync"
    words = {f"{each.get('kind')} {each.get('subject')}" for each in counted}
    shown = ", ".join(sorted(words)[:3])
    more = f" and {len(words) - 3} more" if len(words) > 3 else ""
    return cause(f"it is not as its profile says: {shown}{more}")


def cause(words: str) -> str:
    """The first line of what somebody said, as a cause: without the program's name before it."""
    line = next((each.strip() for each in words.splitlines() if each.strip()), "")
    return line.removeprefix("provisioner: ")[:MAX_CAUSE_CHARACTERS]
