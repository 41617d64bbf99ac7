"""A rollout at a glance: how many hosts are where, and what went wrong, by cause."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rollout.core.host_states import FAILURES, MISSED, HostState
from rollout.core.progress import HostProgress

NO_PART = "no part"  # what those became that were left out
NO_CAUSE = "no cause was told"


@dataclass(frozen=True)
class Cause:
    """Hosts in one state for one cause."""

    state: HostState
    cause: str
    hosts: tuple[str, ...]


def counts(hosts: Iterable[HostProgress]) -> dict[HostState, int]:
    """How many hosts are in each state, in the order of the states; those of none are left out."""
    found = Counter(each.state for each in hosts)
    return {state: found[state] for state in HostState if found[state]}


def causes(hosts: Iterable[HostProgress]) -> list[Cause]:
    """What became of the hosts of which there is more to say than their state: one entry for each
    cause, however many hosts have it. Failures come first, then what most hosts have."""
    groups: dict[tuple[HostState, str], list[str]] = defaultdict(list)
    for each in hosts:
        if each.cause or each.state in FAILURES | MISSED:
            groups[each.state, each.cause or NO_CAUSE].append(each.host)
    found = [Cause(state, cause, tuple(names)) for (state, cause), names in groups.items()]
    return sorted(found, key=lambda each: (each.state not in FAILURES, -len(each.hosts)))


def hosts_apart(apart: Mapping[str, str]) -> dict[str, list[str]]:
    """The hosts that the strategy selects and that take no part, by cause; what most have comes
    first."""
    found: dict[str, list[str]] = defaultdict(list)
    for host, cause in apart.items():
        found[cause].append(host)
    return dict(sorted(found.items(), key=lambda each: -len(each[1])))
