"""What operators see of the agents, member by member as a master writes it.

Two forms: that of `/slaves`, `/state` and `/state-summary`, and that of GET_AGENTS (v1). Agents are
listed with the one that came last first, which is the order of a master's hash map as long as that
is not much changed; clients must not count on an order, nor on one of resources.

Source: Mesos `master/readonly_handler.cpp` (`SlaveWriter`, `SlavesWriter`, `stateSummary`),
`common/http.cpp`, `internal/evolve.cpp`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from agentsim.master.state import Drain, Registered, State
from agentsim.mesos.master_info import master_info
from agentsim.mesos.wire_format import Values

Json = dict[str, Any]

#: In the order of a master's hash map.
_ALWAYS: Final = ("disk", "mem", "gpus", "cpus")
_TASK_STATES: Final = (
    *("STAGING", "STARTING", "RUNNING", "KILLING", "FINISHED", "KILLED", "FAILED", "LOST"),
    *("ERROR", "UNREACHABLE"),
)
_NANOSECONDS: Final = 10**9


def slaves(state: State, only: str | None = None) -> Json:
    """`/slaves`.

    Args:
        only: the id of the one agent that is asked for.
    """
    return {
        "slaves": [_slave_full(state, agent) for agent in _registered(state, only)],
        "recovered_slaves": [_slave_info(info) for info in _recovered(state, only)],
    }


def state_document(state: State) -> Json:
    """`/state`, without the flags and without frameworks."""
    info = _master_info(state)
    active = sum(agent.active for agent in state.registered.values())
    return {
        **build(state.settings.version),
        "start_time": state.start_time,
        "elected_time": state.elected_time,
        "id": state.id,
        "pid": str(state.pid),
        "hostname": state.pid.ip,
        "capabilities": [each["type"] for each in info["capabilities"]],
        "activated_slaves": float(active),
        "deactivated_slaves": float(len(state.registered) - active),
        "unreachable_slaves": float(len(state.registry.unreachable)),
        **({"domain": info["domain"]} if "domain" in info else {}),
        "leader": str(state.pid),
        "leader_info": {each: info[each] for each in ("id", "pid", "port", "hostname")},
        "cluster": state.settings.cluster,
        "flags": {},
        "slaves": [_slave(state, agent) for agent in _registered(state, None)],
        "recovered_slaves": [_slave_info(each) for each in _recovered(state, None)],
        "frameworks": [],
        "completed_frameworks": [],
        "orphan_tasks": [],
        "unregistered_frameworks": [],
    }


def state_summary(state: State) -> Json:
    """`/state-summary`."""
    return {
        "hostname": state.pid.ip,
        "cluster": state.settings.cluster,
        "slaves": [_slave_summary(state, agent) for agent in _registered(state, None)],
        "frameworks": [],
    }


def get_agents(state: State) -> Json:
    """The answer to GET_AGENTS."""
    return {
        "agents": [_agent(state, agent) for agent in _registered(state, None)],
        "recovered_agents": [_agent_info(info) for info in _recovered(state, None)],
    }


def get_master(state: State) -> Json:
    """The answer to GET_MASTER."""
    return {
        "master_info": _master_info(state),
        "start_time": state.start_time,
        "elected_time": state.elected_time,
    }


def maintenance_status(state: State) -> Json:
    """`/maintenance/status`: machines in a schedule are draining, in the words of maintenance."""
    machines = [_machine(each) for each in state.registry.schedule]
    return {"draining_machines": [{"id": each} for each in machines]} if machines else {}


def maintenance_schedule(state: State) -> Json:
    """`/maintenance/schedule`: one window that has begun, for all machines that are scheduled."""
    machines = [_machine(each) for each in state.registry.schedule]
    unavailability = {"start": {"nanoseconds": int(state.start_time * _NANOSECONDS)}}
    window = {"machine_ids": machines, "unavailability": unavailability}
    return {"windows": [window]} if machines else {}


def build(version: str) -> Json:
    """`/version`."""
    return {
        "build_date": "2026-11-28 00:00:00 UTC",
        "build_time": 1795824000.0,
        "build_user": "",
        "version": version,
    }


def _master_info(state: State) -> Json:
    return master_info(state.pid, state.id, state.settings.version, state.settings.domain)


def _machine(machine: tuple[str, str]) -> Json:
    hostname, ip = machine
    return {"hostname": hostname, "ip": ip}


def _registered(state: State, only: str | None) -> Iterable[Registered]:
    return (a for a in reversed(state.registered.values()) if only in (None, a.id))


def _recovered(state: State, only: str | None) -> Iterable[Values]:
    return (each for key, each in reversed(state.recovered.items()) if only in (None, key))


# -- the form of /slaves ------------------------------------------------------------------------


def _slave_info(info: Values) -> Json:
    described: Json = {
        "id": info["id"]["value"],
        "hostname": info["hostname"],
        "port": info.get("port", 5051),
        "attributes": {each["name"]: _plain(each) for each in info.get("attributes", [])},
    }
    if "domain" in info:
        described["domain"] = info["domain"]
    return described


def _slave(state: State, agent: Registered) -> Json:
    total = agent.info.get("resources", [])
    used = [each for task in agent.tasks.values() for each in task.resources]
    return {
        **_slave_info(agent.info),
        "pid": str(agent.pid),
        "registered_time": agent.registered_time,
        **({"reregistered_time": agent.reregistered_time} if agent.reregistered_time else {}),
        "resources": _summed(total),
        "used_resources": _summed(used),
        "offered_resources": _summed(()),
        "reserved_resources": {},
        "unreserved_resources": _summed(total),
        "active": agent.active,
        "deactivated": agent.id in state.deactivated,
        "version": agent.version,
        "capabilities": list(agent.capabilities),
        **_drain(state, agent),
    }


def _drain(state: State, agent: Registered) -> Json:
    drain = state.draining.get(agent.id)
    if drain is None:
        return {}
    described: Json = {"drain_info": _drain_info(drain)}
    if agent.drain_start_time is not None:
        described["estimated_drain_start_time_seconds"] = agent.drain_start_time
    return described


def _drain_info(drain: Drain) -> Json:
    return {"state": drain.state, "config": drain.config}


def _slave_full(state: State, agent: Registered) -> Json:
    used = [each for task in agent.tasks.values() for each in task.resources]
    return {
        **_slave(state, agent),
        "reserved_resources_full": {},
        "unreserved_resources_full": [_full(each) for each in agent.info.get("resources", [])],
        "used_resources_full": [_allocated(each) for each in used],
        "offered_resources_full": [],
    }


def _slave_summary(state: State, agent: Registered) -> Json:
    counts = dict.fromkeys(_TASK_STATES, 0)
    for task in agent.tasks.values():
        counts[task.state.removeprefix("TASK_")] += 1
    return {
        **_slave(state, agent),
        **{f"TASK_{name}": number for name, number in counts.items()},
        "framework_ids": sorted({task.framework_id for task in agent.tasks.values()}),
    }


def _plain(value: Values) -> Any:
    """A value as `/slaves` has it: a number, or text."""
    match value["type"]:
        case "SCALAR":
            return value["scalar"]["value"]
        case "RANGES":
            return _ranges(value["ranges"].get("range", []))
        case "SET":
            return f"{{{', '.join(value['set'].get('item', []))}}}"
        case _:
            return value["text"]["value"]


def _ranges(ranges: Sequence[Values]) -> str:
    return f"[{', '.join('{begin}-{end}'.format(**each) for each in ranges)}]"


def _summed(resources: Iterable[Values]) -> Json:
    """Resources by name; those that every agent has are there in any case."""
    sums: Json = dict.fromkeys(_ALWAYS, 0.0)
    others: Json = {}
    for each in resources:
        name = each["name"]
        if each["type"] == "SCALAR":
            sums[name] = sums.get(name, 0.0) + each["scalar"]["value"]
        else:
            others[name] = _plain(each)
    return sums | others


def _without_role(resource: Values) -> Json:
    return {key: value for key, value in resource.items() if key != "role"}


def _full(resource: Values) -> Json:
    return {**_without_role(resource), "role": "*"}


def _allocated(resource: Values) -> Json:
    return {**_full(resource), "allocation_info": {"role": "*"}}


# -- the form of GET_AGENTS ---------------------------------------------------------------------


def _agent_info(info: Values) -> Json:
    described: Json = {
        "hostname": info["hostname"],
        "port": info.get("port", 5051),
        "resources": [_without_role(each) for each in info.get("resources", [])],
    }
    if info.get("attributes"):
        described["attributes"] = info["attributes"]
    described["id"] = info["id"]
    if "domain" in info:
        described["domain"] = info["domain"]
    return {**described, "checkpoint": info.get("checkpoint", False)}


def _agent(state: State, agent: Registered) -> Json:
    used = [each for task in agent.tasks.values() for each in task.resources]
    described: Json = {
        "agent_info": _agent_info(agent.info),
        "active": agent.active,
        "deactivated": agent.id in state.deactivated,
        "version": agent.version,
        "pid": str(agent.pid),
        "registered_time": _time(agent.registered_time),
    }
    if agent.reregistered_time:
        described["reregistered_time"] = _time(agent.reregistered_time)
    described["total_resources"] = [_full(each) for each in agent.info.get("resources", [])]
    if used:
        described["allocated_resources"] = [_allocated(each) for each in used]
    described["capabilities"] = [{"type": name} for name in agent.capabilities]
    drain = state.draining.get(agent.id)
    if drain is not None:
        described["drain_info"] = _drain_info(drain)
        if agent.drain_start_time is not None:
            described["estimated_drain_start_time"] = _time(agent.drain_start_time)
    return described


def _time(seconds: float) -> Json:
    return {"nanoseconds": int(seconds * _NANOSECONDS)}
