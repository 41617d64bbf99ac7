"""Agents come, come back, and go.

Source: Mesos `master/master.cpp` (`registerSlave`, `reregisterSlave` and what follows them,
`unregisterSlave`, `exited`, `markUnreachable`), `master/validation.cpp`.
"""

from __future__ import annotations

import heapq
import re
from typing import Final

from agentsim.master.draining import check_drained, forget
from agentsim.master.state import Drain, Observer, Registered, Standing, State, Task, Tell
from agentsim.mesos.actor_message import Pid
from agentsim.mesos.wire_format import Values

_VERSION = re.compile(r"(\d+)(?:\.\d+){0,2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_OTHER_PLACE: Final = "Agent attempted to reregister with different IP / hostname"


def register(state: State, sender: Pid, message: Values, now: float, wall: float) -> list[Tell]:
    """An agent without an id registers."""
    info = message["slave"]
    if "id" in info or not _acceptable(state, message):
        return []
    known = state.at(sender)
    if known is not None:
        if known.connected:
            return [_registered(state, known)]
        remove(state, known)
    agent_id = f"{state.id}-S{state.next_agent}"
    state.next_agent += 1
    info = {**info, "id": {"value": agent_id}}
    state.registry.admitted[agent_id] = Standing(info)
    agent = _admit(state, agent_id, info, sender, message, now, wall)
    return [_ping(agent), _registered(state, agent)]


def reregister(state: State, sender: Pid, message: Values, now: float, wall: float) -> list[Tell]:
    """An agent with an id comes back."""
    info = message["slave"]
    agent_id = info.get("id", {}).get("value")
    if not agent_id:
        return []
    if agent_id in state.registry.gone:
        return [_shutdown(sender, "Agent has been marked gone")]
    if not _acceptable(state, message):
        return []
    known = state.registered.get(agent_id)
    if known is not None:
        return _reconnect(state, known, sender, message, wall)
    standing = state.registry.unreachable.pop(agent_id, None)
    standing = standing or state.registry.admitted.get(agent_id) or Standing(info)
    standing.info = info
    state.registry.admitted[agent_id] = standing
    state.recovered.pop(agent_id, None)
    agent = _admit(state, agent_id, info, sender, message, now, wall)
    agent.reregistered_time = wall
    agent.tasks = _reported_tasks(message)
    agent.active = agent_id not in state.deactivated
    tells = [_ping(agent)]
    drain = _drain(state, agent)
    check_drained(state, agent)
    return [*tells, *drain, _reregistered(state, agent)]


def unregister(state: State, sender: Pid, message: Values) -> None:
    """An agent leaves in good order."""
    agent = state.registered.get(message["slave_id"]["value"])
    if agent is not None and agent.pid == sender:
        remove(state, agent)


def disconnected(state: State, authority: str, now: float) -> None:
    """The connection to an address has broken; who is there has some time to come back."""
    agent_id = state.by_address.get(authority)
    if agent_id is None or not state.registered[agent_id].connected:
        return
    agent = state.registered[agent_id]
    agent.connected = agent.active = False
    agent.reregister_by = now + state.settings.reregister_seconds
    heapq.heappush(state.expiries, (agent.reregister_by, agent_id))


def remove(state: State, agent: Registered) -> None:
    """An agent is no member any more; a new id forgets what was done to it."""
    state.registry.admitted.pop(agent.id, None)
    state.draining.pop(agent.id, None)
    state.deactivated.discard(agent.id)
    forget(state, agent)


def mark_unreachable(state: State, agent_id: str) -> None:
    """An agent is listed no more until it speaks again; what was done to it is kept."""
    standing = state.registry.admitted.pop(agent_id)
    drain = state.draining.get(agent_id)
    standing.drain = None if drain is None else drain.copy()
    standing.deactivated = agent_id in state.deactivated
    state.registry.unreachable[agent_id] = standing
    agent = state.registered.get(agent_id)
    if agent is not None:
        forget(state, agent)
    state.recovered.pop(agent_id, None)


def expire(state: State, now: float) -> None:
    """Those that did not come back in time become unreachable."""
    late = []
    while state.expiries and state.expiries[0][0] <= now:
        time, agent_id = heapq.heappop(state.expiries)
        agent = state.registered.get(agent_id)
        if agent is not None and agent.reregister_by == time:
            late.append(agent_id)
    if state.recovered_by is not None and state.recovered_by <= now:
        late += state.recovered
        state.recovered_by = None
    for agent_id in late:
        mark_unreachable(state, agent_id)


def next_expiry(state: State) -> float | None:
    """When `expire` has something to do."""
    times = [state.expiries[0][0]] if state.expiries else []
    if state.recovered_by is not None:
        times.append(state.recovered_by)
    return min(times, default=None)


def _acceptable(state: State, message: Values) -> bool:
    """Whether a master takes a registration at all; else it is ignored, with a line in a log."""
    version = _VERSION.fullmatch(message.get("version", ""))
    if version is None or int(version[1]) < 1:
        return False
    return "domain" not in message["slave"] or state.settings.domain is not None


def _admit(
    state: State,
    agent_id: str,
    info: Values,
    sender: Pid,
    message: Values,
    now: float,
    wall: float,
) -> Registered:
    agent = Registered(
        agent_id,
        info,
        sender,
        message["version"],
        _capabilities(message),
        wall,
        state.next_observer,
    )
    state.next_observer += 1
    state.observers[agent.observer] = Observer(agent_id, now + state.settings.ping_seconds, True)
    state.registered[agent_id] = agent
    state.by_address[sender.authority] = agent_id
    heapq.heappush(state.pings, (now + state.settings.ping_seconds, agent.observer))
    return agent


def _reconnect(
    state: State, agent: Registered, sender: Pid, message: Values, wall: float
) -> list[Tell]:
    info = message["slave"]
    if agent.machine != (info["hostname"], sender.ip):
        return [_shutdown(sender, _OTHER_PLACE)]
    if state.by_address.get(agent.pid.authority) == agent.id:
        del state.by_address[agent.pid.authority]
    state.by_address[sender.authority] = agent.id
    state.registry.admitted[agent.id].info = info
    agent.info, agent.pid = info, sender
    agent.version, agent.capabilities = message["version"], _capabilities(message)
    agent.reregistered_time = wall
    agent.reregister_by = None
    agent.tasks = _reported_tasks(message)
    agent.connected = True
    agent.active = agent.id not in state.deactivated
    tells = [_reregistered(state, agent)]
    if "RESOURCE_PROVIDER" not in agent.capabilities:
        tells.append(Tell(sender, "CheckpointResourcesMessage", {}))
    tells += _drain(state, agent)
    check_drained(state, agent)
    return tells


def _reported_tasks(message: Values) -> dict[tuple[str, str], Task]:
    return {
        (task["framework_id"]["value"], task["task_id"]["value"]): Task(
            task["name"], task["framework_id"]["value"], task.get("resources", []), task["state"]
        )
        for task in message.get("tasks", [])
        if task["state"] in ("TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING")
    }


def _capabilities(message: Values) -> list[str]:
    return [each["type"] for each in message.get("agent_capabilities", []) if "type" in each]


def _drain(state: State, agent: Registered) -> list[Tell]:
    drain: Drain | None = state.draining.get(agent.id)
    if drain is None:
        return []
    return [Tell(agent.pid, "DrainSlaveMessage", {"config": drain.config})]


def _ping(agent: Registered) -> Tell:
    """The first ping, which goes out at once."""
    return Tell(agent.pid, "PingSlaveMessage", {"connected": True}, agent.observer)


def _registered(state: State, agent: Registered) -> Tell:
    return _answer(state, agent, "SlaveRegisteredMessage")


def _reregistered(state: State, agent: Registered) -> Tell:
    return _answer(state, agent, "SlaveReregisteredMessage")


def _answer(state: State, agent: Registered, name: str) -> Tell:
    seconds = state.settings.ping_seconds * state.settings.max_ping_timeouts
    connection = {"total_ping_timeout_seconds": float(seconds)}
    return Tell(agent.pid, name, {"slave_id": {"value": agent.id}, "connection": connection})


def _shutdown(receiver: Pid, text: str) -> Tell:
    return Tell(receiver, "ShutdownMessage", {"message": text})
