"""`rollout pause`, `promote` and `abort`: ask the controller of a rollout, wherever that is."""

from __future__ import annotations

from collections.abc import Sequence

from packager.base.errors import DataError
from packager.cli import output

from rollout.commands.carried_on import batch_to_promote, found
from rollout.commands.choices import journal_path
from rollout.core import rollout_states
from rollout.records.documents import Head, Wishes
from rollout.records.rollout_record import RolloutRecord, holder_of, wish


def pause(
    *, rollouts: Sequence[str], masters: str | None, journal: str | None, zk_credentials: str | None
) -> int:
    """Have nothing new begun. Raises NotFound, DataError, PackagerError."""
    return _ask("pause", rollouts, masters, journal, zk_credentials)


def promote(
    *, rollouts: Sequence[str], masters: str | None, journal: str | None, zk_credentials: str | None
) -> int:
    """Say that the hosts of the batch are well. Raises as `pause`."""
    return _ask("promote", rollouts, masters, journal, zk_credentials)


def abort(
    *, rollouts: Sequence[str], masters: str | None, journal: str | None, zk_credentials: str | None
) -> int:
    """Have it end without anything new. Raises as `pause`."""
    return _ask("abort", rollouts, masters, journal, zk_credentials)


def _ask(
    what: str,
    rollouts: Sequence[str],
    masters: str | None,
    journal: str | None,
    zk_credentials: str | None,
) -> int:
    with found(rollouts, masters, journal_path(journal), zk_credentials) as one:
        head = RolloutRecord.load_head(one.store, one.id)
        if head.state in rollout_states.ENDED:
            raise DataError(f"rollout {head.id} is {head.state}: it has ended")
        wish(one.store, one.id, changed=_wish(what, head))
        holder = holder_of(one.store, one.id)
    if holder:
        output.line(f"{holder} was asked to {what} rollout {head.id}")
    else:
        output.line(
            f"nobody is at rollout {head.id}: whoever resumes it will {what} it; "
            f"rollout resume {head.id}"
        )
    return 0


def _wish(what: str, head: Head) -> Wishes:
    if what == "promote":
        return Wishes(promote=batch_to_promote(head))
    return Wishes(pause=True) if what == "pause" else Wishes(abort=True)
