"""What each route has done since the start, by the names that `/metrics/snapshot` shows.

`command/<process>/<path>/…`, one set a path, whatever the method:

    requests     requests that the route took, answered or left by their client
    refused      of them, those that started no command
    failed       commands that exited with another code than 0, or by a signal
    timeouts     commands that a time-out ended
    abandoned    requests whose client left before the answer was complete
    seconds      that all commands together have run
    running, waiting    commands now, and requests that wait for a place
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from agentsim.simulator.command import CommandExchange

if TYPE_CHECKING:
    from agentsim.core.table import Route
    from agentsim.run.invocation import Result
    from agentsim.simulator.agent import Agent
    from agentsim.simulator.connection import Exchange

_NAMES = ("requests", "refused", "failed", "timeouts", "abandoned", "seconds")


class _Count:
    __slots__ = _NAMES

    def __init__(self) -> None:
        self.requests = self.refused = self.failed = self.timeouts = self.abandoned = 0
        self.seconds = 0.0


class Counters:
    """Counts what happens; an observer of the agent."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}

    def request(self, exchange: Exchange, gone: bool) -> None:
        """An answer was sent, or its client went away before."""
        if isinstance(exchange, CommandExchange):
            count = self._count(exchange.route)
            count.requests += 1
            count.abandoned += gone
            count.refused += not exchange.pid

    def invocation(self, exchange: CommandExchange, pid: int, result: Result) -> None:  # noqa: ARG002
        """A command has ended, or could not be started."""
        count = self._count(exchange.route)
        count.seconds += result.seconds
        count.failed += bool(result.status)
        count.timeouts += result.reason in ("timeout", "idle-timeout")

    def _count(self, route: Route) -> _Count:
        name = route.process + route.path
        count = self._counts.get(name)
        if count is None:
            count = self._counts[name] = _Count()
        return count

    def snapshot(self, agent: Agent) -> Iterator[tuple[str, float]]:
        """All of them, in no order."""
        for table in agent.tables:
            for path in {route.path for route in table.routes}:
                routes = [route for route in table.routes if route.path == path]
                count = self._count(routes[0])
                prefix = f"command/{table.process}{path}/"
                for name in _NAMES:
                    yield prefix + name, float(getattr(count, name))
                places = [agent.places(route) for route in routes]
                yield prefix + "running", float(sum(place.running for place in places))
                yield prefix + "waiting", float(sum(place.waiting for place in places))
