"""A real Mesos agent with the module that is a member of a cluster."""

from __future__ import annotations

from pathlib import Path

from agentsim.suite.hosts import mesos_module
from agentsim.suite.hosts.kinds import Launch


class MemberAgent(mesos_module.Agent):
    """An agent that registers with a master.

    Args:
        deadline: seconds that its start may take.
        master: where its master listens.
        options: of the agent, such as `launcher` and `isolation`.
    """

    def __init__(self, deadline: float, master: str, **options: str) -> None:
        super().__init__(deadline)
        self._changes = {"--master": master, **{f"--{name}": options[name] for name in options}}

    def command(self, launch: Launch, spool: Path) -> list[str]:
        """The command line of an agent."""
        words = [
            word
            for word in super().command(launch, spool)
            if word.partition("=")[0] not in self._changes
        ]
        changed = [f"{name}={value}" for name, value in self._changes.items()]
        return [*words, *changed, "--executor_registration_timeout=2mins"]
