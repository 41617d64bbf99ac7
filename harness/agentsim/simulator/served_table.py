"""A route table that is served, and what its requests share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import fields

from agentsim.core.environment import base_environment
from agentsim.core.route_table import Route, Table
from agentsim.run.concurrency_limit import ConcurrencyLimit


class ServedTable:
    """A route table that is served.

    A table that takes another's place takes over the concurrency limits of the routes that both
    have, so that the commands that run already count.

    Args:
        loop: the event loop.
        table: what is served.
        overrides: the host's own entries for the commands' environments.
        former: the table whose place it takes.

    Attributes:
        environment: what the environments of all its commands have in common.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        table: Table,
        overrides: Mapping[str, str],
        former: ServedTable | None = None,
    ) -> None:
        self.table = table
        self.environment = base_environment(table, overrides)
        self._concurrency = {route: _concurrency(loop, route, former) for route in table.routes}
        self._resource_limits = {route: _resource_limits(route) for route in table.routes}

    def concurrency(self, route: Route) -> ConcurrencyLimit:
        """How many commands of a route of this table may run, and who waits."""
        return self._concurrency[route]

    def resource_limits(self, route: Route) -> Mapping[str, int]:
        """The rlimits, umask and niceness that a route of this table sets."""
        return self._resource_limits[route]

    def find_concurrency(self, route: Route) -> ConcurrencyLimit | None:
        """That of the own route with the path and the methods of `route`, if there is one."""
        for own, limit in self._concurrency.items():
            if (own.path, own.methods) == (route.path, route.methods):
                return limit
        return None


def _concurrency(
    loop: asyncio.AbstractEventLoop, route: Route, former: ServedTable | None
) -> ConcurrencyLimit:
    policy = (route.concurrency, route.queue_length, route.queue_seconds)
    known = former.find_concurrency(route) if former is not None else None
    if known is None:
        return ConcurrencyLimit(loop, *policy)
    known.adjust(*policy)
    return known


def _resource_limits(route: Route) -> dict[str, int]:
    values = {field.name: getattr(route.limits, field.name) for field in fields(route.limits)}
    return {name: value for name, value in values.items() if value is not None}
