"""Which agents of a registry a strategy selects, and why it does not select the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from rollout.core.registry import Agent, HostId, Placement, Registry
from rollout.core.strategy import AtStart, Select, Strategy

RECOVERED = "the master has not heard of it since its failover; it may come back within minutes"
DISCONNECTED = "the master has lost its connection to it"
TWICE = "the master lists its address twice; wait until one of the two agents is gone"


@dataclass(frozen=True)
class LeftOut:
    """An agent that is not selected. host: its id, or the hostname where no more is known.
    fits: whether the conditions select it, so that something else leaves it out."""

    host: str
    reason: str
    fits: bool = False


@dataclass(frozen=True)
class Selection:
    """unmatched: names in the strategy that no agent has."""

    agents: tuple[Agent, ...]
    left_out: tuple[LeftOut, ...]
    unmatched: tuple[str, ...]


def select(registry: Registry, strategy: Strategy) -> Selection:
    """The hosts that the strategy selects, sorted by id, and all others with a reason."""
    rules = strategy.select
    addresses = Counter(agent.host.address for agent in registry.agents)
    selected: list[Agent] = []
    left_out: list[LeftOut] = []
    for agent in registry.agents:
        reason = _mismatch(rules, agent.host.hostname, agent.placement)
        if reason is not None:
            left_out.append(LeftOut(str(agent.host), reason))
        elif addresses[agent.host.address] > 1:
            left_out.append(LeftOut(str(agent.host), TWICE, fits=True))
        elif agent.is_disconnected and strategy.absent.at_start is not AtStart.WAIT:
            left_out.append(LeftOut(str(agent.host), DISCONNECTED, fits=True))
        else:
            selected.append(agent)
    for each in registry.recovered:
        reason = _mismatch(rules, each.hostname, each.placement)
        left_out.append(LeftOut(each.hostname, reason or RECOVERED, fits=reason is None))
    known = {agent.host.hostname for agent in registry.agents}
    known |= {each.hostname for each in registry.recovered}
    return Selection(
        tuple(sorted(selected, key=lambda agent: agent.host)),
        tuple(sorted(left_out, key=lambda each: (not each.fits, each.host))),
        tuple(name for name in (*rules.hostnames, *rules.exclude) if name not in known),
    )


def newcomers(registry: Registry, strategy: Strategy, order: Collection[str]) -> list[HostId]:
    """The hosts that the strategy selects, that the master has a connection to, and that are not in
    `order`: they have come since it was made."""
    known = set(order)
    found = [each for each in select(registry, strategy).agents if not each.is_disconnected]
    return [each.host for each in found if str(each.host) not in known]


def flaws(selection: Selection, strategy: Strategy) -> list[str]:
    """Why a rollout can't begin with this selection."""
    found: list[str] = []
    count, rules = len(selection.agents), strategy.select
    if not count:
        found.append("no host is selected; `rollout hosts` tells why of each")
    elif rules.at_least is not None and count < rules.at_least:
        found.append(f"{count} hosts are selected, and select.at_least asks for {rules.at_least}")
    if strategy.absent.at_start is AtStart.REFUSE:
        missing = [each.host for each in selection.left_out if each.fits]
        if missing:
            found.append(f"not there, and absent.at_start is refuse: {', '.join(missing)}")
    if selection.unmatched and any(name in rules.hostnames for name in selection.unmatched):
        names = [name for name in selection.unmatched if name in rules.hostnames]
        found.append(f"select.hostnames: no agent has the name {', '.join(names)}")
    return found


def _mismatch(rules: Select, hostname: str, placement: Placement) -> str | None:
    """The first condition that does not hold, in words; None: it is selected."""
    if hostname in rules.exclude:
        return "it is excluded by name"
    if rules.hostnames and hostname not in rules.hostnames:
        return "it is not among the hostnames"
    if rules.region is not None and placement.region != rules.region:
        return f"its region is {placement.region or 'not known'}"
    if rules.zones and placement.zone not in rules.zones:
        return f"its zone is {placement.zone or 'not known'}"
    for name, wanted in rules.attributes.items():
        found = placement.attributes.get(name)
        if found is None:
            return f"it has no attribute {name}"
        if found != wanted:
            return f"its attribute {name} is {found}"
    return None
