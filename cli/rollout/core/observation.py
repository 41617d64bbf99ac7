"""What a registry says of the hosts of a rollout, at one moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from rollout.core.progress import Observed
from rollout.core.registry import Agent, HostId, Registry


@dataclass(frozen=True)
class Observation:
    """observed: hosts that the master lists. agent_ids: of those that it has a connection to.
    recovered: hosts of which a new master knows that they were there: neither here nor missing."""

    observed: dict[str, Observed] = field(default_factory=dict)
    agent_ids: dict[str, str] = field(default_factory=dict)
    recovered: frozenset[str] = frozenset()


def observe(registry: Registry, hosts: Iterable[str]) -> Observation:
    """The hosts of these ids in the registry.

    An address that several agents are connected at belongs to none of them: whom a request would
    reach is not known. One that has left its entry behind is known by the other one.
    """
    at_address: dict[str, list[Agent]] = defaultdict(list)
    for agent in registry.agents:
        at_address[agent.host.address].append(agent)
    recovered = {(each.hostname, each.port) for each in registry.recovered}
    found: dict[str, Observed] = {}
    agent_ids: dict[str, str] = {}
    expected: set[str] = set()
    for host in hosts:
        known = HostId.parse(host)
        agents = at_address.get(known.address, [])
        if not agents:
            if (known.hostname, int(known.address.rpartition(":")[2])) in recovered:
                expected.add(host)
            continue
        connected = [each for each in agents if not each.is_disconnected]
        if len(connected) != 1 or connected[0].host != known:
            found[host] = Observed(connected=False)
            continue
        (agent,) = connected
        agent_ids[host] = agent.agent_id
        found[host] = Observed(True, agent.deactivated, agent.drain, agent.idle)
    return Observation(found, agent_ids, frozenset(expected))
