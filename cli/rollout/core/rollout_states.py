"""What a rollout goes through: the states, and the table of what leads from one to the next."""

from __future__ import annotations

from enum import StrEnum

from rollout.core.host_states import Impossible


class RolloutState(StrEnum):
    """Where a rollout is."""

    PLANNED = "planned"
    RUNNING = "running"
    UNDOING = "undoing"  # as running, of a rollout that takes another one back
    PAUSED = "paused"  # nothing new is begun; what is under way goes on
    ABORTING = "aborting"  # nothing new is begun; it ends when all that is under way has
    DONE = "done"
    DONE_WITH_ABSENT = "done-with-absent"
    UNDONE = "undone"
    ABORTED = "aborted"
    FAILED = "failed"  # it came to its end, and not all hosts did well


class RolloutEvent(StrEnum):
    """What moves a rollout on."""

    START = "start"
    START_UNDO = "start-undo"
    PAUSE = "pause"
    RESUME = "resume"
    RESUME_UNDO = "resume-undo"
    ABORT = "abort"
    FINISH = "finish"  # every host is done
    FINISH_WITH_ABSENT = "finish-with-absent"  # every host that was there
    FINISH_WITH_FAILURES = "finish-with-failures"
    ABORTED = "aborted"  # nothing is under way any more
    RETRY = "retry"  # hosts of it are tried again
    RETRY_UNDO = "retry-undo"


class PauseReason(StrEnum):
    """Why a rollout is paused."""

    OPERATOR = "operator"
    PROMOTE = "promote"  # the strategy has a person look at this batch
    GATE = "gate"  # all the failures were at their gates
    BUDGET = "budget"  # more hosts have failed than may
    DEADLINE = "deadline"  # no host got any further, or it takes too long as a whole


S, E = RolloutState, RolloutEvent

TRANSITIONS: dict[RolloutState, dict[RolloutEvent, RolloutState]] = {
    S.PLANNED: {
        E.START: S.RUNNING,
        E.START_UNDO: S.UNDOING,
        E.ABORT: S.ABORTING,
    },
    S.RUNNING: {
        E.PAUSE: S.PAUSED,
        E.ABORT: S.ABORTING,
        E.FINISH: S.DONE,
        E.FINISH_WITH_ABSENT: S.DONE_WITH_ABSENT,
        E.FINISH_WITH_FAILURES: S.FAILED,
    },
    S.UNDOING: {
        E.PAUSE: S.PAUSED,
        E.ABORT: S.ABORTING,
        E.FINISH: S.UNDONE,
        E.FINISH_WITH_ABSENT: S.FAILED,
        E.FINISH_WITH_FAILURES: S.FAILED,
    },
    S.PAUSED: {
        E.RESUME: S.RUNNING,
        E.RESUME_UNDO: S.UNDOING,
        E.ABORT: S.ABORTING,
    },
    S.ABORTING: {
        E.ABORTED: S.ABORTED,
    },
    S.DONE: {},
    S.DONE_WITH_ABSENT: {E.RETRY: S.RUNNING},
    S.FAILED: {E.RETRY: S.RUNNING, E.RETRY_UNDO: S.UNDOING},
    S.UNDONE: {},
    S.ABORTED: {},
}

ENDED = frozenset({S.DONE, S.DONE_WITH_ABSENT, S.UNDONE, S.ABORTED, S.FAILED})
BEGINS = frozenset({S.RUNNING, S.UNDOING})  # only here anything new is begun


def after(state: RolloutState, event: RolloutEvent) -> RolloutState:
    """The state that the event leads to. Raises Impossible."""
    found = TRANSITIONS[state].get(event)
    if found is None:
        raise Impossible(f"a rollout that is {state} can't be told {event}")
    return found
