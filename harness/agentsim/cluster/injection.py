"""Faults happen to the agents of a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agentsim.cluster.faults import Fault, select
from agentsim.cluster.member_agents import MemberAgent, MemberAgents
from agentsim.mesos.actor_message import Pid

#: What requests to routes meet, by the kind of the fault, in the words of `agentsim serve`.
_OF_ROUTES = {
    **{kind: kind for kind in ("slow", "delay", "cut", "full", "unhealthy")},
    "busy": "refuse",
}


class Injection:
    """Lets faults happen.

    Args:
        loop: the event loop.
        agents: to whom.
        seed: what shares are drawn from.
        leader: tells who leads.
        twin: lets a second agent appear beside one.
        say: takes a sentence for the log.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        agents: MemberAgents,
        seed: int,
        leader: Callable[[], Pid | None],
        twin: Callable[[MemberAgent], None],
        say: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._agents = agents
        self._seed = seed
        self._leader = leader
        self._twin = twin
        self._say = say

    def inject(self, fault: Fault) -> list[MemberAgent]:
        """Let a fault happen; to whom it has.

        Raises:
            BadFault: there are no such agents.
        """
        chosen = select(list(self._agents), fault.agents, f"{self._seed} {fault.kind}")
        for agent in chosen:
            self._happen(agent, fault)
        names = ", ".join(agent.description.hostname for agent in chosen[:5])
        more = f" and {len(chosen) - 5} more" if len(chosen) > 5 else ""
        amount = f"={fault.amount:g}" if fault.amount is not None else ""
        self._say(f"injected: {fault.kind}{amount}: {names}{more}")
        return chosen

    def _happen(self, agent: MemberAgent, fault: Fault) -> None:
        amount = fault.amount or 0.0
        match fault.kind:
            case "unreachable":
                agent.die()
            case "hang":
                agent.hang()
            case "disconnect":
                agent.disconnect()
            case "refuse":
                agent.refuse_credentials()
            case "die":
                agent.dies_after = amount
            case "restart":
                agent.die()
                self._loop.call_later(amount, lambda: agent.recover(self._leader()))
            case "return":
                agent.recover(self._leader())
            case "return-new":
                agent.recover(self._leader(), as_new=True)
            case "twin":
                self._twin(agent)
            case kind:
                agent.fail(_OF_ROUTES[kind], amount)
