"""The documents of a record, as values, and as the bytes that stores keep."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from packager.base.errors import ConfigError

from rollout.core.host_states import HostState
from rollout.core.progress import HostProgress
from rollout.core.registry import hostname
from rollout.core.rollout_states import PauseReason, RolloutState

FORMAT = 1


@dataclass(frozen=True)
class Holder:
    """Who holds a rollout: a controller's own random id, and where a person finds it."""

    id: str
    machine: str
    pid: int
    since: str  # ISO 8601, UTC: for people

    def __str__(self) -> str:
        return f"process {self.pid} on {self.machine}, since {self.since}"


@dataclass(frozen=True)
class Fence:
    """The number with which hosts tell an old controller from the present one, and whose it is."""

    number: int = 0
    holder: str = ""


@dataclass(frozen=True)
class Head:
    """What holds of a rollout as a whole.

    machine: where it began, for records that only that machine can reach. strategy: the document.
    undoes: the rollout that this one takes back. promoted: so many batches may be followed by the
    next. elapsed: seconds that it has run for, pauses left out; attended: seconds that a controller
    was at it for. order: the ids of its hosts. batches: how many of them have had their turn by the
    end of each batch. apart: hosts that the strategy selects and that take no part, with the cause.
    """

    id: str
    name: str
    revision: str
    created: str  # ISO 8601, UTC: for people
    machine: str
    strategy: dict[str, Any]
    order: tuple[str, ...]
    batches: tuple[int, ...] = ()
    undoes: str | None = None
    state: RolloutState = RolloutState.PLANNED
    pause: PauseReason | None = None
    words: str = ""
    promoted: int = 0
    elapsed: float = 0.0
    attended: float = 0.0
    fence: Fence = field(default_factory=Fence)
    apart: dict[str, str] = field(default_factory=dict)

    def joined(self, hosts: Sequence[str]) -> Head:
        """With these hosts at the end of its last batch; if it has only one, they are another one,
        since nobody meant more hosts to begin."""
        total = len(self.order) + len(hosts)
        kept = self.batches[:-1] or self.batches
        known = {*hosts, *map(hostname, hosts)}  # of some no more was known than that
        left = {host: cause for host, cause in self.apart.items() if host not in known}
        return replace(self, order=(*self.order, *hosts), batches=(*kept, total), apart=left)


@dataclass(frozen=True)
class HostRecord:
    """What holds of one host. fence: the number with which its last attempt was asked for; written
    down before it is. agent: the id under which the master was asked to take it. since: `attended`
    of its rollout when it came into its state."""

    progress: HostProgress
    fence: int = 0
    agent: str = ""
    since: float = 0.0


@dataclass(frozen=True)
class Wishes:
    """What operators have asked the controller for, from whichever machine. promote: so many
    batches may be followed by the next. retry_failed, retry_absent: those hosts are tried again."""

    pause: bool = False
    resume: bool = False
    abort: bool = False
    promote: int = 0
    retry_failed: bool = False
    retry_absent: bool = False

    def joined(self, later: Wishes) -> Wishes:
        """Both; of a pause and its end the later one holds."""
        return Wishes(
            pause=(self.pause and not later.resume) or later.pause,
            resume=(self.resume and not later.pause) or later.resume,
            abort=self.abort or later.abort,
            promote=max(self.promote, later.promote),
            retry_failed=self.retry_failed or later.retry_failed,
            retry_absent=self.retry_absent or later.retry_absent,
        )


Document = Head | HostRecord | Wishes | Holder


def encoded(document: Document) -> bytes:
    """The document as bytes."""
    words = {"format": FORMAT, **asdict(document)}
    return json.dumps(words, ensure_ascii=False, separators=(",", ":")).encode()


def decoded_head(content: bytes) -> Head:
    """The head of a rollout. Raises ConfigError for what a later version wrote, or nobody."""
    given = _loaded(content)
    try:
        head = Head(**_known(Head, given))
        return replace(
            head,
            state=RolloutState(head.state),
            pause=None if head.pause is None else PauseReason(head.pause),
            order=tuple(head.order),
            batches=tuple(head.batches),
            fence=Fence(**given["fence"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable() from error


def decoded_host(content: bytes) -> HostRecord:
    """The record of a host. Raises ConfigError."""
    given = _loaded(content)
    try:
        progress = HostProgress(**_known(HostProgress, given["progress"]))
        progress = replace(progress, state=HostState(progress.state))
        return HostRecord(**{**_known(HostRecord, given), "progress": progress})
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable() from error


def decoded_wishes(content: bytes) -> Wishes:
    """What operators have asked for. Raises ConfigError."""
    return Wishes(**_known(Wishes, _loaded(content)))


def decoded_holder(content: bytes) -> Holder | None:
    """Who holds a lock; None: it has not said so (yet)."""
    try:
        return Holder(**_known(Holder, _loaded(content)))
    except (ConfigError, TypeError):
        return None


def _known(kind: type[Any], given: dict[str, Any]) -> dict[str, Any]:
    """The fields of this version; those of a later one may be left out by its own rule."""
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in given.items() if name in names}


def _loaded(content: bytes) -> dict[str, Any]:
    try:
        given = json.loads(content)
    except ValueError as error:
        raise _unreadable() from error
    if not isinstance(given, dict) or given.get("format") != FORMAT:
        raise _unreadable()
    return given


def _unreadable() -> ConfigError:
    return ConfigError(
        "the record of the rollout can't be read by this version of rollout: use the one that wrote"
    )
