"""Batches: how many hosts may have the revision by now. They are cumulative."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rollout.core.amounts import Amount, rounded_up
from rollout.core.ordering import is_kept_back
from rollout.core.registry import Agent


@dataclass(frozen=True)
class Batch:
    """hosts: how many of the order belong to it and those before it. amounts: what the strategy
    says, several where some come to the same. held_back: how many hosts fewer it begins than the
    strategy says, so that no zone is begun on as a whole."""

    hosts: int
    amounts: tuple[Amount, ...]
    held_back: int = 0


def plan_batches(amounts: Sequence[Amount], turns: Sequence[Agent]) -> tuple[Batch, ...]:
    """The batches of the hosts in `turns`, as `ordering` has them; each has more hosts than the one
    before, and the last one has all. Amounts round up; those that add no host are merged with the
    ones before them. Every batch but the last leaves one host of each zone that has several."""
    total = len(turns)
    domains = Counter(agent.placement.fault_domain for agent in turns)
    most = total - sum(is_kept_back(domain, count) for domain, count in domains.items())
    found: list[Batch] = []
    for amount in amounts[:-1]:
        wanted = rounded_up(amount, total)
        hosts = min(wanted, most)
        if found and hosts <= found[-1].hosts:
            last = found[-1]
            found[-1] = Batch(last.hosts, (*last.amounts, amount), last.held_back)
        elif 0 < hosts < total:
            found.append(Batch(hosts, (amount,), wanted - hosts))
    found.append(Batch(total, tuple(amounts[-1:])))
    return tuple(found)
