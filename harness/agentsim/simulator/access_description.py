"""What the log says at the start: who may call what on this address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agentsim.core.route_table import Route, Table


def describe_access(
    tables: Sequence[Table], address: str, *, credentials: bool, opened: bool, loopback: bool
) -> Iterator[str]:
    """Sentences for the log.

    Args:
        tables: what is served.
        address: where the host listens.
        credentials: whether it can authenticate anybody.
        opened: whether routes in a realm let everybody in where it can't.
        loopback: whether only this machine reaches the address.
    """
    routes = [route for table in tables for route in table.routes]
    guarded = [route for route in routes if route.realm is not None]
    anybody = "everybody on this machine" if loopback else f"everybody who reaches {address}"
    if not guarded or (opened and not credentials):
        yield f"{anybody} may call every route; pages of other sites may call none"
        return
    if len(guarded) == len(routes):
        others = "all routes"
    else:
        others = f"{len(guarded)} of {len(routes)} routes, {anybody} the others"
    if credentials:
        yield f"whoever has credentials may call {others}; pages of other sites may call none"
        return
    yield (
        "nobody may call (403), since there are no credentials for their realms:"
        f" {', '.join(map(_name, guarded))}; give --credentials FILE, or --open"
    )


def _name(route: Route) -> str:
    return f"/{route.process}{route.path}"
