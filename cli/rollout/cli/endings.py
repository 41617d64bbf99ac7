"""How a controller's work ends, as an exit status and in words."""

from __future__ import annotations

from rollout.core.rollout_states import PauseReason, RolloutState
from rollout.records.documents import Head

EXIT = {
    RolloutState.DONE: 0,
    RolloutState.UNDONE: 0,
    RolloutState.PAUSED: 3,
    RolloutState.DONE_WITH_ABSENT: 4,
    RolloutState.FAILED: 5,
    RolloutState.ABORTED: 6,
}


def exit_status(head: Head) -> int:
    """The exit status for a rollout that was left in this state."""
    return EXIT.get(head.state, 70)


def next_steps(head: Head) -> list[str]:
    """What a person can do now, a line each; none, if nothing needs to be done."""
    retry = "retry --failed"
    match head.state:
        case RolloutState.PAUSED if head.pause is PauseReason.PROMOTE:
            return [f"look at the hosts, then: rollout resume --promote {head.id}"]
        case RolloutState.PAUSED if head.pause in (PauseReason.GATE, PauseReason.BUDGET):
            last = f"rollout abort {head.id}"
        case RolloutState.PAUSED:
            return [f"to go on: rollout resume {head.id}"]
        case RolloutState.FAILED:
            last = f"rollout undo {head.id}"
        case RolloutState.DONE_WITH_ABSENT:
            retry, last = "retry --absent", f"rollout undo {head.id}"
        case RolloutState.ABORTED:
            return [f"to take back what was changed: rollout undo {head.id}"]
        case _:
            return []
    return [
        f"the causes: rollout status {head.id}",
        f"then: rollout {retry} {head.id}, or {last}",
    ]
