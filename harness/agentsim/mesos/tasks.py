"""Tasks of a simulated agent: nothing runs, but a master sees them start, run and end.

How a task ends when it is killed is the agent's `TaskEnd`: after some time, or not before its grace
has passed (it ignores SIGTERM), or never (a process that hangs in the kernel).

A status update is repeated until the master has acknowledged it, and a task that has ended counts
until then, as in an agent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from agentsim.mesos.wire_format import Values, decode

#: The grace that an executor gives where no kill policy says otherwise (DEFAULT_EXECUTOR_… in
#: `slave/constants.hpp`).
DEFAULT_GRACE_SECONDS: Final = 3.0
#: After how long a status update that is not acknowledged is repeated.
RETRY_SECONDS: Final = 10.0

TaskKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """How tasks end that are killed: after `seconds`, or, None, not by themselves.

    Attributes:
        stuck: whether the end of the grace does not end them either.
    """

    seconds: float | None = 0.0
    stuck: bool = False


@dataclass(slots=True)
class _Task:
    name: str
    framework: bytes
    resources: list[dict[str, Any]]
    grace: float
    state: str = "TASK_RUNNING"
    draining: bool = False
    ends: float | None = None
    update: Values | None = None
    repeats: float = 0.0


def parse_task_end(text: str) -> TaskEnd:
    """`SECONDS`, `deaf` or `stuck` as a `TaskEnd`.

    Raises:
        ValueError: it is none of them.
    """
    if text == "deaf":
        return TaskEnd(None)
    if text == "stuck":
        return TaskEnd(None, stuck=True)
    seconds = float(text)
    if not 0 <= seconds < 1e9:
        raise ValueError(text)
    return TaskEnd(seconds)


class Tasks:
    """The tasks of one agent.

    Args:
        random: draws the ids of status updates.
        wall_clock: seconds since the epoch, for status updates.

    Attributes:
        end: how they end when they are killed.
    """

    def __init__(self, random: Random, wall_clock: Callable[[], float]) -> None:
        self.end = TaskEnd()
        self._random = random
        self._wall_clock = wall_clock
        self._tasks: dict[TaskKey, _Task] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def due(self) -> float | None:
        """When `tick` has something to do."""
        times = [task.repeats for task in self._tasks.values() if task.update is not None]
        times += [task.ends for task in self._tasks.values() if task.ends is not None]
        return min(times, default=None)

    def run(self, message: Values, agent_id: str, now: float) -> Values:
        """Start the task of a RunTaskMessage; the status update to be sent."""
        info = message["task"]
        framework = message["framework"]
        framework_id = decode("FrameworkInfo", framework).get("id", {"value": ""})["value"]
        grace = _seconds(info.get("kill_policy", {}).get("grace_period"), DEFAULT_GRACE_SECONDS)
        task = _Task(info["name"], framework, info.get("resources", []), grace)
        key = (framework_id, info["task_id"]["value"])
        self._tasks[key] = task
        return self._update(key, task, agent_id, now)

    def kill(self, message: Values, now: float) -> None:
        """Kill the task of a KillTaskMessage."""
        key = (message["framework_id"]["value"], message["task_id"]["value"])
        if (task := self._tasks.get(key)) is not None:
            self._kill(task, _seconds(message.get("kill_policy", {}).get("grace_period")), now)

    def drain(self, config: Values, now: float) -> None:
        """Kill all tasks, with no more grace than the configuration of a drain allows."""
        for task in self._tasks.values():
            task.draining = True
            limit = _seconds(config.get("max_grace_period"))
            self._kill(task, None if limit is None else min(limit, task.grace), now)

    def acknowledge(self, uuid: bytes) -> None:
        """A status update has arrived."""
        for key, task in list(self._tasks.items()):
            if task.update is not None and task.update["uuid"] == uuid:
                task.update = None
                if task.state != "TASK_RUNNING":
                    del self._tasks[key]

    def remove_framework(self, framework_id: str) -> None:
        """A framework has ended, and its tasks with it: nobody asks for their statuses."""
        for key in [each for each in self._tasks if each[0] == framework_id]:
            del self._tasks[key]

    def clear(self) -> None:
        """The machine has lost power: none is left."""
        self._tasks.clear()

    def tick(self, agent_id: str, now: float) -> Iterator[Values]:
        """The status updates that are due."""
        for key, task in self._tasks.items():
            if task.ends is not None and task.ends <= now:
                task.ends = None
                task.state = "TASK_KILLED"
                yield self._update(key, task, agent_id, now)
            elif task.update is not None and task.repeats <= now:
                task.repeats = now + RETRY_SECONDS
                yield task.update

    def described(self, agent_id: str) -> list[Values]:
        """The tasks as a re-registration lists them."""
        return [
            {
                "name": task.name,
                "task_id": {"value": task_id},
                "framework_id": {"value": framework_id},
                "slave_id": {"value": agent_id},
                "state": task.state,
                "resources": task.resources,
            }
            for (framework_id, task_id), task in self._tasks.items()
        ]

    def frameworks(self) -> list[bytes]:
        """The frameworks of the tasks as they were told of."""
        return list({key[0]: task.framework for key, task in self._tasks.items()}.values())

    def _kill(self, task: _Task, grace: float | None, now: float) -> None:
        if task.state != "TASK_RUNNING" or self.end.stuck:
            return
        seconds = task.grace if grace is None else grace
        if self.end.seconds is not None:
            seconds = min(seconds, self.end.seconds)
        task.ends = now + seconds if task.ends is None else min(task.ends, now + seconds)

    def _update(self, key: TaskKey, task: _Task, agent_id: str, now: float) -> Values:
        framework_id, task_id = key
        uuid = self._random.randbytes(16)
        timestamp = self._wall_clock()
        status: Values = {
            "task_id": {"value": task_id},
            "state": task.state,
            "slave_id": {"value": agent_id},
            "timestamp": timestamp,
            "source": "SOURCE_EXECUTOR",
            "uuid": uuid,
        }
        if task.draining:
            status["reason"] = "REASON_SLAVE_DRAINING"
        task.repeats = now + RETRY_SECONDS
        task.update = {
            "framework_id": {"value": framework_id},
            "slave_id": {"value": agent_id},
            "status": status,
            "timestamp": timestamp,
            "uuid": uuid,
            "latest_state": task.state,
        }
        return task.update


def _seconds(duration: Values | None, default: float | None = None) -> Any:
    return default if duration is None else duration["nanoseconds"] / 1e9
