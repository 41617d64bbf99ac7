"""`rollout resume`: go on with a rollout, after a pause or a crash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from packager.base.errors import DataError, Temporary, UsageError

from rollout.commands.carried_on import batch_to_promote, found, go_on
from rollout.commands.choices import chosen
from rollout.controller.operators import waits_for_promotion
from rollout.core import rollout_states
from rollout.records.documents import Wishes
from rollout.records.rollout_record import RolloutRecord, wish
from rollout.records.store import Held


def run(
    *,
    rollouts: Sequence[str],
    masters: str | None,
    profile: str | None,
    promote: bool,
    output_format: str,
    **given: Any,
) -> int:
    """Carry it on; give the exit status for how it ended. Raises PackagerError, OutputFailed."""
    options = chosen(given)

    def prepare(record: RolloutRecord) -> None:
        head = record.head
        if head.state in rollout_states.ENDED:
            raise DataError(f"rollout {head.id} is {head.state}: it has ended")
        if not waits_for_promotion(head):
            return
        batch = batch_to_promote(head)
        if promote:
            record.write_head(replace(head, promoted=batch))
        elif head.promoted < batch:
            raise UsageError(
                f"rollout {head.id} waits for a person to look at its hosts: say --promote if they "
                "are well"
            )

    with found(rollouts, masters, options.journal, options.access.zk_credentials) as one:
        try:
            return go_on(one, options, output_format, profile=profile, prepare=prepare)
        except Held as held:
            # Its controller stays while it is paused, and can be asked to go on.
            head = RolloutRecord.load(one.store, one.id).head
            batch = batch_to_promote(head) if promote else 0
            wish(one.store, one.id, changed=Wishes(resume=True, promote=batch))
            raise Temporary(f"{held}; it was asked to go on, if it is paused") from None
