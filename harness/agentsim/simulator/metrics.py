"""What each route has done since the start, by the names that `/metrics/snapshot` shows.

One set a route, whose name has the first of the route's methods (ABI-LIFE-7):
`commands/<process>/<path>/<method>/`.

    started             commands that were started, or could not be
    failed              of them, those whose answer was an error, or would have been
    refused             requests that were answered without a command
    running, waiting    commands now, and requests that wait for a place
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from agentsim.core.answer import status_of
from agentsim.core.outcome import Outcome
from agentsim.core.route_table import Route
from agentsim.simulator.agent import Agent
from agentsim.simulator.command_exchange import CommandExchange
from agentsim.simulator.exchange import Exchange


class Counters:
    """Counts what happens; an observer of the agent."""

    def __init__(self) -> None:
        self._ended: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()

    def request(self, exchange: Exchange, gone: bool) -> None:  # noqa: ARG002
        """An answer was sent, or its client went away before."""
        if isinstance(exchange, CommandExchange) and exchange.refused:
            self._refused[_name(exchange.route)] += 1

    def invocation(self, exchange: CommandExchange, outcome: Outcome, size: int) -> None:  # noqa: ARG002
        """A command has ended, could not be started, or can't be killed."""
        name = _name(exchange.route)
        self._ended[name] += not outcome.runs_on
        self._failed[name] += status_of(exchange.route, outcome) >= 400

    def late_exit(self, exchange: CommandExchange) -> None:
        """A command that could not be killed has ended by itself."""
        self._ended[_name(exchange.route)] += 1

    def snapshot(self, agent: Agent) -> Iterator[tuple[str, float]]:
        """All of them, in no order."""
        for table in agent.tables:
            for route in table.routes:
                name, concurrency = _name(route), agent.concurrency(route)
                yield name + "started", float(self._ended[name] + concurrency.running)
                yield name + "failed", float(self._failed[name])
                yield name + "refused", float(self._refused[name])
                yield name + "running", float(concurrency.running)
                yield name + "waiting", float(concurrency.waiting)


def _name(route: Route) -> str:
    return f"commands/{route.process}{route.path}/{route.methods[0]}/"
