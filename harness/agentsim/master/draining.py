"""Drain, deactivate, reactivate: what an operator may do to an agent, and what comes of it.

Source: Mesos `master/http.cpp` (`_drainAgent`, `_deactivateAgent`, `_reactivateAgent`),
`master/master.cpp` (`checkAndTransitionDrainingAgent`, `markGone`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agentsim.master.state import Drain, Registered, State, Tell
from agentsim.mesos.wire_format import Values

_INT64: Final = 1 << 64
_NANOSECONDS: Final = 10**9


@dataclass(frozen=True, slots=True)
class Refused:
    """A call that is not carried out, or, 409, is and says that it was not."""

    status: int
    text: str


def refuse_drain(state: State, agent_id: str) -> Refused | None:
    """What is looked at before it is known whether the caller may drain at all."""
    agent = state.registered.get(agent_id)
    if agent is None:
        return None
    if agent.machine in state.registry.schedule:
        hostname, ip = agent.machine
        machine = f'{{"hostname":"{hostname}","ip":"{ip}"}}'
        return Refused(
            400,
            f"Agent {agent_id} is part of a maintenance schedule under Machine {machine}",
        )
    if "AGENT_DRAINING" not in agent.capabilities:
        return Refused(400, f"Agent {agent_id} is not capable of draining")
    return None


def drain(
    state: State, agent_id: str, grace: Values | None, mark_gone: bool, wall: float
) -> list[Tell] | Refused:
    """Drain an agent; an unreachable or recovered one is drained when it comes back.

    Args:
        grace: the message Duration that the caller gave, if any.
        mark_gone: whether it is marked gone when it is drained.
        wall: seconds since the epoch.
    """
    if not _known(state, agent_id):
        return Refused(400, "Unknown agent")
    config: Values = {}
    if grace is not None:
        config["max_grace_period"] = {"nanoseconds": nanoseconds(grace)}
    config["mark_gone"] = mark_gone
    state.draining[agent_id] = Drain("DRAINING", config)
    state.deactivated.add(agent_id)
    standing = state.registry.standing(agent_id)
    if standing is not None:
        standing.deactivated, standing.drain = True, Drain("DRAINING", config)
    agent = state.registered.get(agent_id)
    if agent is None:
        return []
    agent.active = False
    agent.drain_start_time = wall
    tells = [Tell(agent.pid, "DrainSlaveMessage", {"config": config})]
    check_drained(state, agent)
    return tells


def deactivate(state: State, agent_id: str) -> Refused | None:
    """Give an agent no more offers."""
    if not _known(state, agent_id):
        return Refused(400, "Unknown agent")
    state.deactivated.add(agent_id)
    standing = state.registry.standing(agent_id)
    if standing is not None:
        standing.deactivated = True
    if (agent := state.registered.get(agent_id)) is not None:
        agent.active = False
    return None


def reactivate(state: State, agent_id: str) -> Refused | None:
    """Undo a deactivation or a drain that is complete."""
    if agent_id not in state.deactivated:
        return Refused(400, "Agent is not deactivated")
    known = state.draining.get(agent_id)
    if known is not None and known.state == "DRAINING":
        return Refused(400, "Agent is still in the DRAINING state")
    state.draining.pop(agent_id, None)
    state.deactivated.discard(agent_id)
    standing = state.registry.standing(agent_id)
    if standing is not None:
        standing.deactivated, standing.drain = False, None
    agent = state.registered.get(agent_id)
    if agent is None:
        return Refused(409, "Agent removed while processing the call")
    agent.active = agent.connected
    agent.drain_start_time = None
    return None


def check_drained(state: State, agent: Registered) -> None:
    """See whether a draining agent is drained by now."""
    known = state.draining.get(agent.id)
    if known is None or known.state == "DRAINED" or agent.tasks:
        return
    if known.config.get("mark_gone"):
        mark_gone(state, agent)
        return
    known.state = "DRAINED"
    standing = state.registry.standing(agent.id)
    if standing is not None and standing.drain is not None:
        standing.drain.state = "DRAINED"


def mark_gone(state: State, agent: Registered) -> None:
    """Know an agent no more, for ever.

    A master keeps in memory that it was draining, and answers a reactivation accordingly.
    """
    state.registry.admitted.pop(agent.id, None)
    state.registry.gone.add(agent.id)
    forget(state, agent)


def forget(state: State, agent: Registered) -> None:
    """List an agent no more, and ping it no more."""
    del state.registered[agent.id]
    if state.by_address.get(agent.pid.authority) == agent.id:
        del state.by_address[agent.pid.authority]
    state.observers.pop(agent.observer, None)


def nanoseconds(duration: Values) -> int:
    """A message Duration in nanoseconds, as a 64-bit number that silently overflows."""
    number: int = duration.get("seconds", 0) * _NANOSECONDS + duration.get("nanos", 0)
    return (number + _INT64 // 2) % _INT64 - _INT64 // 2


def _known(state: State, agent_id: str) -> bool:
    return (
        agent_id in state.registered
        or agent_id in state.recovered
        or agent_id in state.registry.unreachable
    )
