"""Tasks on the agents: a simulated framework launches them, so that there is something to drain.

A master hands a status update on to the framework, and acknowledges it once the framework has; this
framework does so at once. A task counts until the update that ends it is acknowledged. If the
framework goes first, nobody looks whether a draining agent is drained by that: it stays DRAINING,
without any task, until it is drained again or re-registers.

Source: Mesos `master/master.cpp` (`statusUpdate`, `acknowledge`, `removeFramework`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agentsim.master.draining import check_drained
from agentsim.master.state import State, Task, Tell
from agentsim.mesos.wire_format import Values, encode

_ENDED: Final = frozenset(
    ("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_LOST", "TASK_ERROR")
)


def launch(
    state: State, agent_id: str, name: str, resources: Sequence[Values], command: str
) -> list[Tell]:
    """Launch a task on an agent.

    Args:
        name: of the task, which is its id too.
        command: what it says it runs; nothing runs.
    """
    agent = state.registered[agent_id]
    framework_id = f"{state.id}-0000"
    agent.tasks[framework_id, name] = Task(name, framework_id, list(resources))
    framework = {"user": "root", "name": "simulated", "id": {"value": framework_id}}
    message = {
        "framework": encode("FrameworkInfo", framework),
        "task": {
            "name": name,
            "task_id": {"value": name},
            "slave_id": {"value": agent_id},
            "resources": resources,
            "command": {"value": command},
        },
        "pid": "",
    }
    return [Tell(agent.pid, "RunTaskMessage", message)]


def status_update(state: State, message: Values) -> list[Tell]:
    """A task has changed; the acknowledgement that the framework gives."""
    update = message["update"]
    agent = state.registered.get(update.get("slave_id", {}).get("value", ""))
    if agent is None or "uuid" not in update:
        return []
    key = (update["framework_id"]["value"], update["status"]["task_id"]["value"])
    task = agent.tasks.get(key)
    if task is not None:
        task.state = update["status"]["state"]
        if task.state in _ENDED:
            del agent.tasks[key]
            check_drained(state, agent)
    acknowledgement = {
        "slave_id": {"value": agent.id},
        "framework_id": update["framework_id"],
        "task_id": update["status"]["task_id"],
        "uuid": update["uuid"],
    }
    return [Tell(agent.pid, "StatusUpdateAcknowledgementMessage", acknowledgement)]


def remove_framework(state: State) -> list[Tell]:
    """The framework ends, and with it all its tasks: every agent is told."""
    framework_id = f"{state.id}-0000"
    tells = []
    for agent in state.registered.values():
        for key in [each for each in agent.tasks if each[0] == framework_id]:
            del agent.tasks[key]
        message = {"framework_id": {"value": framework_id}}
        tells.append(Tell(agent.pid, "ShutdownFrameworkMessage", message))
    return tells
