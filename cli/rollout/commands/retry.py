"""`rollout retry`: try hosts again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from packager.base.errors import DataError, Temporary

from rollout.commands.carried_on import found, go_on
from rollout.commands.choices import chosen
from rollout.controller.operators import resumption, retried
from rollout.core import rollout_states
from rollout.core.rollout_states import RolloutEvent, RolloutState
from rollout.records.documents import Head, Wishes
from rollout.records.rollout_record import RolloutRecord, wish
from rollout.records.store import Held


def run(
    *,
    rollouts: Sequence[str],
    masters: str | None,
    profile: str | None,
    failed: bool,
    absent: bool,
    output_format: str,
    **given: Any,
) -> int:
    """Carry it on with those hosts; give the exit status for how it ended. Neither of failed and
    absent: both. Raises PackagerError, OutputFailed."""
    options = chosen(given)
    failed, absent = failed or not absent, absent or not failed

    def prepare(record: RolloutRecord) -> None:
        head = record.head
        again = retried([*record.hosts.values()], failed=failed, absent=absent)
        if not again:
            raise DataError(f"rollout {head.id} has no host to try again")
        event = _event(head)
        if event is None:
            raise DataError(
                f"rollout {head.id} is {head.state}: no host of it can be tried again; begin "
                "another one"
            )
        record.write_hosts(
            [replace(each, progress=each.progress.told(told)) for each, told in again]
        )
        if head.state in rollout_states.ENDED:  # a pause is ended by the controller
            state = rollout_states.after(head.state, event)
            record.write_head(replace(head, state=state, pause=None, words="", elapsed=0.0))

    with found(rollouts, masters, options.journal, options.access.zk_credentials) as one:
        try:
            return go_on(one, options, output_format, profile=profile, prepare=prepare)
        except Held as held:
            wishes = Wishes(retry_failed=failed, retry_absent=absent)
            wish(one.store, one.id, changed=wishes)
            raise Temporary(f"{held}; it was asked to try them again") from None


def _event(head: Head) -> RolloutEvent | None:
    """What makes it go on; None: nothing does."""
    if head.state is RolloutState.PAUSED:
        return resumption(head)
    event = RolloutEvent.RETRY if head.undoes is None else RolloutEvent.RETRY_UNDO
    if head.state in rollout_states.BEGINS:  # its controller was lost
        return event
    return event if event in rollout_states.TRANSITIONS[head.state] else None
