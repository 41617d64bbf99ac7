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


def next_step(head: Head) -> str:
    """What a person can do now; empty: nothing needs to be done."""
    match head.state:
        case RolloutState.PAUSED if head.pause is PauseReason.PROMOTE:
            return f"look at the hosts, then: rollout resume --promote {head.id}"
        case RolloutState.PAUSED if head.pause in (PauseReason.GATE, PauseReason.BUDGET):
            return (
                f"rollout status {head.id} tells the causes; then: rollout retry --failed "
                f"{head.id}, or rollout abort {head.id}"
            )
        case RolloutState.PAUSED:
            return f"go on with: rollout resume {head.id}"
        case RolloutState.FAILED | RolloutState.DONE_WITH_ABSENT:
            return (
                f"rollout status {head.id} tells the causes; then: rollout retry {head.id}, or "
                f"rollout undo {head.id}"
            )
        case RolloutState.ABORTED:
            return f"what was changed can be taken back: rollout undo {head.id}"
    return ""
