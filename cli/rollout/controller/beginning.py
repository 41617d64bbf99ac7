"""What a rollout begins with: hosts that were looked at, and a record."""

from __future__ import annotations

import os
import secrets
import socket
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from packager.base.errors import DataError, PackagerError

from rollout.core.batches import Batch
from rollout.core.host_states import HostState
from rollout.core.outcomes import fence_told
from rollout.core.registry import Agent, HostId, Placement
from rollout.hosts.access import Hosts
from rollout.hosts.client import Cut, HostRefused, NotReached, Patience
from rollout.hosts.sweep import sweep
from rollout.records.documents import Head, Holder, HostRecord

CONCURRENCY = 100  # hosts
PATIENCE = Patience(answer=30.0)
MOST_NAMED = 5  # hosts


@dataclass(frozen=True)
class Unfit:
    """Hosts that can't take part, for one cause."""

    cause: str
    hosts: tuple[HostId, ...]


async def flaws_of(hosts: Hosts, order: Sequence[HostId]) -> dict[HostId, str | None]:
    """What each host lacks that a rollout asks for; empty: nothing. None: it does not answer, which
    may be another one in a minute."""

    async def ask(host: HostId) -> dict[str, Any]:
        return await hosts.provisioner(host, PATIENCE).history()

    answers = await sweep(order, ask, concurrency=min(CONCURRENCY, len(order)))
    return {host: _flaw(answer) for host, answer in answers.items()}


async def unfit_hosts(hosts: Hosts, order: Sequence[HostId]) -> list[Unfit]:
    """The hosts that lack what a rollout asks for, by cause; the most frequent comes first."""
    groups: dict[str, list[HostId]] = defaultdict(list)
    for host, cause in (await flaws_of(hosts, order)).items():
        if cause:
            groups[cause].append(host)
    found = [Unfit(cause, tuple(each)) for cause, each in groups.items()]
    return sorted(found, key=lambda group: -len(group.hosts))


def refuse_unfit(unfit: Sequence[Unfit]) -> None:
    """Raise DataError that names every cause, and hosts of it."""
    if unfit:
        lines = []
        for group in unfit:
            names = ", ".join(str(host) for host in group.hosts[:MOST_NAMED])
            more = len(group.hosts) - MOST_NAMED
            shown = f"{names} and {more} more" if more > 0 else names
            lines.append(f"{len(group.hosts)} of the hosts: {group.cause}: {shown}")
        raise DataError("\n".join(lines))


def new_head(
    name: str,
    document: dict[str, Any],
    turns: Sequence[Agent],
    batches: Sequence[Batch],
    *,
    undoes: str | None = None,
    apart: Mapping[str, str] | None = None,
) -> Head:
    """The head of a rollout that has not begun, with an id and a revision of its own."""
    return Head(
        id=f"r{secrets.token_hex(5)}",
        name=name,
        revision=secrets.token_hex(8),
        created=now_text(),
        machine=socket.gethostname(),
        strategy=document,
        order=tuple(str(agent.host) for agent in turns),
        batches=tuple(batch.hosts for batch in batches),
        undoes=undoes,
        apart=dict(apart or {}),
    )


def new_holder() -> Holder:
    """This process, as one that holds a rollout."""
    return Holder(secrets.token_hex(8), socket.gethostname(), os.getpid(), now_text())


def now_text() -> str:
    """Now, for people (ISO 8601, UTC)."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def hosts_to_undo(
    head: Head, records: Mapping[str, HostRecord], seen: Sequence[Agent]
) -> list[Agent]:
    """The hosts that a rollout has asked for anything, in its order, as the master has them now."""
    known = {str(agent.host): agent for agent in seen}
    touched = [
        host
        for host in head.order
        if host in records
        and (records[host].progress.attempt or records[host].progress.state is HostState.DONE)
    ]
    return [
        known.get(host) or Agent("", HostId.parse(host), Placement(), active=False)
        for host in touched
    ]


def _flaw(answer: dict[str, Any] | PackagerError) -> str | None:
    if isinstance(answer, NotReached | Cut):
        return None
    if isinstance(answer, HostRefused):
        if answer.status == 404 and answer.code is None:
            return (
                "its agent has no routes of provisioner, or an older table: tables are read when "
                "an agent starts"
            )
        if answer.status in (401, 403):
            return "it refuses our credentials"
        return None if answer.status in (429, 503) else answer.words or f"status {answer.status}"
    if isinstance(answer, PackagerError):
        return str(answer)
    if fence_told(answer) is None:
        return "its provisioner is older, and knows no fences"
    return ""
