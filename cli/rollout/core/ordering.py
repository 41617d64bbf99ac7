"""In which order hosts get their turn.

The place of a host among those of its zone comes from a hash of the seed and its id alone: a host
that joins later moves no other one of its zone, and every machine computes the same order.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable

from rollout.core.registry import Agent
from rollout.core.strategy import Order, Spread


def ordered(agents: Iterable[Agent], order: Order) -> tuple[Agent, ...]:
    """The agents in the order of their turns: zones are mixed by their sizes, and the last host of
    each zone that has several comes at the end (see `batches`)."""
    zones: dict[object, list[Agent]] = defaultdict(list)
    for agent in agents:
        zones[agent.placement.fault_domain].append(agent)
    front: list[tuple[float, bytes, Agent]] = []
    end: list[tuple[float, bytes, Agent]] = []
    for domain, members in zones.items():
        members.sort(key=lambda agent: _shuffled(order.seed, agent))
        kept = members[-1:] if is_kept_back(domain, len(members)) else []
        moving = members[: len(members) - len(kept)]
        front += [
            (_place(order, at, len(moving)), _shuffled(order.seed, agent), agent)
            for at, agent in enumerate(moving)
        ]
        end += [(0.0, _shuffled(order.seed, agent), agent) for agent in kept]
    turns = [*sorted(front, key=lambda each: each[:2]), *sorted(end, key=lambda each: each[:2])]
    return tuple(agent for _, _, agent in turns)


def is_kept_back(domain: object, hosts: int) -> bool:
    """Whether one host of this fault domain is left for the last batch: it has another one."""
    return domain is not None and hosts > 1


def _place(order: Order, at: int, count: int) -> float:
    """Where the host at place `at` of `count` comes between 0 and 1."""
    return 0.0 if order.spread is Spread.NONE else (at + 0.5) / count


def _shuffled(seed: int, agent: Agent) -> bytes:
    return hashlib.sha256(f"{seed} {agent.host}".encode()).digest()
