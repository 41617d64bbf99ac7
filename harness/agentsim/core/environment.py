"""The environment of a command: nothing but what is written here, in the table and by the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agentsim.core.formatting import seconds_text
from agentsim.core.route_table import ABI_VERSION, Route, Table

BASE: Final[Mapping[str, str]] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/",
}


def base_environment(table: Table, overrides: Mapping[str, str]) -> dict[str, str]:
    """What all commands of a table share: the table's entries over BASE, the host's over both.

    Names that start with ABI_ are the ABI's own; those in `overrides` are left out.
    """
    own = {name: value for name, value in overrides.items() if not name.startswith("ABI_")}
    return {**BASE, **table.environment, **own, "ABI_VERSION": str(ABI_VERSION)}


def environment(
    base: Mapping[str, str],
    route: Route,
    *,
    method: str,
    request_id: str,
    deadline: float,
    principal: str | None,
) -> dict[str, str]:
    """The environment of one invocation.

    `base` is from `base_environment`; `deadline` is Unix time in seconds; `principal` is None if
    the request was not authenticated.
    """
    result = {
        **base,
        "ABI_REQUEST_ID": request_id,
        "ABI_ROUTE": f"{method} /{route.process}{route.path}",
        "ABI_DEADLINE": seconds_text(deadline),
    }
    if principal is not None:
        result["ABI_PRINCIPAL"] = principal
    return result
