"""What `resume`, `retry` and `undo` share: a rollout of which there is a record already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from packager.base.documents.source import read_file
from packager.base.errors import NotFound, UsageError

from rollout.cli.presentation import finish, presented
from rollout.commands.choices import Chosen
from rollout.controller.session import carry_on
from rollout.records.documents import Head
from rollout.records.journal import Journal
from rollout.records.places import candidates, open_store
from rollout.records.profiles import KIND
from rollout.records.rollout_record import RolloutRecord, is_there
from rollout.records.store import Store
from rollout.strategy.reader import strategy as read_document


@dataclass(frozen=True)
class Found:
    """A rollout and where its record is."""

    id: str
    place: str
    store: Store


@contextmanager
def found(
    rollouts: Sequence[str], masters: str | None, journal: Path, zk_credentials: str | None
) -> Iterator[Found]:
    """The rollout of an id (none: the newest), until the end of the block. Raises UsageError for
    several, NotFound, PackagerError."""
    if len(rollouts) > 1:
        raise UsageError("one rollout at a time")
    with closing(Journal(journal)) as book:
        named = candidates(book, rollouts[0] if rollouts else None, masters)
    for name, place in named:
        with closing(open_store(place, journal, zk_credentials)) as store:
            if is_there(store, name):
                yield Found(name, place, store)
                return
    raise NotFound(f"there is no rollout {named[0][0]}; 'rollout history' lists them")


def batch_to_promote(head: Head) -> int:
    """The batch after which its strategy has a person look."""
    return read_document(head.strategy, f"the strategy of {head.id}").promote.after


def go_on(
    rollout: Found,
    options: Chosen,
    output_format: str,
    *,
    profile: str | None = None,
    prepare: Callable[[RolloutRecord], None] | None = None,
) -> int:
    """Carry it on; give the exit status. profile: its path, where the record has none. prepare:
    changes the record once the lock is held."""
    record = RolloutRecord.load(rollout.store, rollout.id)
    strategy = read_document(record.head.strategy, f"the strategy of {rollout.id}")
    content = record.profile if profile is None else read_file(profile, KIND).content
    if content is None and record.head.undoes is None:
        raise UsageError(
            f"the record of {rollout.id} has no profile, since that has secrets in it or is too "
            "large: say --profile=FILE"
        )
    states = {host: each.progress.state for host, each in record.hosts.items()}
    with presented(rollout.id, options.journal, output_format, states) as shown:
        shown.journal.remember(rollout.id, rollout.place)
        session = options.session(shown.listener)
        ended = carry_on(
            rollout.store, rollout.id, session, strategy, content or b"", prepare=prepare
        )
    return finish(ended, output_format)
