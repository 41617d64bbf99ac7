"""What a host goes through in a rollout: the states, and the table of what leads from one to the
next. What is not in the table can't happen.
"""

from __future__ import annotations

from enum import StrEnum


class HostState(StrEnum):
    """Where a host is in its rollout."""

    WAITING = "waiting"  # its batch has not begun, or there was no room yet
    STAGING = "staging"  # it fetches and verifies; nothing of it changes. Staged: waits for room
    DRAINING = "draining"  # it is being freed for an apply, at once if it need not be
    APPLYING = "applying"
    VERIFYING = "verifying"  # the apply has ended well, the gate is asked
    REACTIVATING = "reactivating"  # it is given back to the cluster, if this rollout had taken it
    SOAKING = "soaking"  # it has to stay well for a while
    UNKNOWN = "unknown"  # its answer was lost; only asking it tells what became of it
    DONE = "done"
    FAILED = "failed"
    ROLLED_BACK = "rolled-back"  # the apply failed, and it went back by itself
    ABSENT = "absent"  # it was not there
    GONE = "gone"  # somebody has taken it out of the cluster
    SKIPPED = "skipped"  # nothing was begun on it: it was not drained in time, or an abort came


class HostEvent(StrEnum):
    """What moves a host on."""

    STAGE = "stage"  # its stage is about to be asked for
    STAGED = "staged"
    NOTHING_TO_DO = "nothing-to-do"  # it has what it should have, without any of this
    FREE = "free"  # it is about to be drained or deactivated, or need not be
    GIVE_BACK = "give-back"  # its turn comes later: nothing was begun on it yet
    APPLY = "apply"  # its apply is about to be asked for
    APPLIED = "applied"  # the host says so
    NOT_BEGUN = "not-begun"  # the host says so of what was asked for
    VERIFIED = "verified"  # the gate holds
    REACTIVATED = "reactivated"
    SOAKED = "soaked"  # it stayed well for long enough
    CUT = "cut"  # no answer to what was asked for, and none to come
    ATTEMPT_FAILED = "attempt-failed"  # and there are attempts left
    FAIL = "fail"
    ROLL_BACK = "roll-back"  # the host says so
    SKIP = "skip"
    MISS = "miss"  # it is not there, and was waited for
    LOSE = "lose"  # it vanished in the middle, which counts as its failure
    LEAVE = "leave"  # somebody says that it is out of the cluster
    ABORT = "abort"
    RETRY = "retry"  # somebody asks for it again, or it has come back
    RETURN = "return"  # the same of one that may still be at work: it is asked first


S, E = HostState, HostEvent

TRANSITIONS: dict[HostState, dict[HostEvent, HostState]] = {
    S.WAITING: {
        E.STAGE: S.STAGING,
        E.MISS: S.ABSENT,
        E.LEAVE: S.GONE,
        E.ABORT: S.SKIPPED,
    },
    S.STAGING: {
        E.STAGED: S.STAGING,
        E.CUT: S.STAGING,  # nothing of the host changes, so it is asked for again
        E.ATTEMPT_FAILED: S.STAGING,
        E.NOTHING_TO_DO: S.DONE,
        E.FREE: S.DRAINING,
        E.FAIL: S.FAILED,
        E.MISS: S.ABSENT,
        E.LEAVE: S.GONE,
        E.ABORT: S.SKIPPED,
    },
    S.DRAINING: {
        E.APPLY: S.APPLYING,
        E.GIVE_BACK: S.STAGING,
        E.FAIL: S.FAILED,
        E.SKIP: S.SKIPPED,
        E.MISS: S.ABSENT,
        E.LEAVE: S.GONE,
        E.ABORT: S.SKIPPED,
    },
    S.APPLYING: {
        E.APPLIED: S.VERIFYING,
        E.ATTEMPT_FAILED: S.DRAINING,
        E.ROLL_BACK: S.ROLLED_BACK,
        E.FAIL: S.FAILED,
        E.CUT: S.UNKNOWN,
        E.LEAVE: S.GONE,
    },
    S.VERIFYING: {
        E.VERIFIED: S.REACTIVATING,
        E.ATTEMPT_FAILED: S.DRAINING,
        E.ROLL_BACK: S.ROLLED_BACK,
        E.FAIL: S.FAILED,
        E.LEAVE: S.GONE,
    },
    S.REACTIVATING: {
        E.REACTIVATED: S.SOAKING,
        E.FAIL: S.FAILED,
        E.LEAVE: S.GONE,
    },
    S.SOAKING: {
        E.SOAKED: S.DONE,
        E.ABORT: S.DONE,  # its gate has held
        E.FAIL: S.FAILED,
        E.LEAVE: S.GONE,
    },
    S.UNKNOWN: {
        E.APPLIED: S.VERIFYING,
        E.NOT_BEGUN: S.DRAINING,
        E.ATTEMPT_FAILED: S.DRAINING,
        E.ROLL_BACK: S.ROLLED_BACK,
        E.FAIL: S.FAILED,
        E.MISS: S.ABSENT,  # it was asked until the deadline
        E.LOSE: S.FAILED,  # the same
        E.LEAVE: S.GONE,
    },
    S.DONE: {},
    S.FAILED: {E.RETRY: S.WAITING, E.RETURN: S.UNKNOWN},
    S.ROLLED_BACK: {E.RETRY: S.WAITING},
    S.ABSENT: {E.RETRY: S.WAITING, E.RETURN: S.UNKNOWN},
    S.GONE: {E.RETRY: S.WAITING, E.RETURN: S.UNKNOWN},
    S.SKIPPED: {E.RETRY: S.WAITING},
}

ENDED = frozenset({S.DONE, S.FAILED, S.ROLLED_BACK, S.ABSENT, S.GONE, S.SKIPPED})
FAILURES = frozenset({S.FAILED, S.ROLLED_BACK})
MISSED = frozenset({S.ABSENT, S.GONE, S.SKIPPED})  # without being at fault
# An apply may be under way on it.
APPLIES = frozenset({S.APPLYING, S.UNKNOWN})
# Its tasks suffer, or may: whether a failed host is well nobody has said.
UNAVAILABLE = frozenset({S.DRAINING, S.APPLYING, S.UNKNOWN, S.VERIFYING, S.REACTIVATING, S.FAILED})


# What leaves open what became of the apply that was asked for.
OPEN_ENDS = frozenset({E.CUT, E.MISS, E.LOSE, E.LEAVE})


class Impossible(ValueError):
    """The event can't come in this state."""


def after(state: HostState, event: HostEvent) -> HostState:
    """The state that the event leads to. Raises Impossible."""
    found = TRANSITIONS[state].get(event)
    if found is None:
        raise Impossible(f"a host that is {state} can't be told {event}")
    return found
