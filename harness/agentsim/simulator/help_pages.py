"""The help pages of libprocess's `help` process, for its own endpoints and for the routes.

Source: libprocess `help.cpp`, `help.hpp` (`HELP`, `TLDR`, `DESCRIPTION`, `AUTHENTICATION`).
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

from agentsim.core.route_description import help_lines, summary
from agentsim.core.route_table import Table


def _page(
    path: str,
    tldr: str,
    description: Iterable[str],
    *,
    authentication: bool | None = None,
    references: str = "",
) -> str:
    text = f"### USAGE ###\n>        {path}\n\n### TL;DR; ###\n{tldr}\n"
    text += "\n### DESCRIPTION ###\n" + "\n".join(description) + "\n\n"
    if authentication is not None:
        text += "\n### AUTHENTICATION ###\n"
        if authentication:
            text += "This endpoint requires authentication iff HTTP authentication is\nenabled.\n"
        else:
            text += "This endpoint does not require authentication.\n"
    if references:
        text += f"\n{references}\n\n"
    return text


#: Pages of libprocess's own endpoints, by process and endpoint.
OWN: Mapping[str, Mapping[str, str]] = {
    "logging": {
        "/toggle": _page(
            "/logging/toggle",
            "Sets the logging verbosity level for a specified duration.",
            (
                "The libprocess library uses [glog][glog] for logging. The library",
                "only uses verbose logging which means nothing will be output unless",
                "the verbosity level is set (by default it's 0, libprocess uses levels 1, 2,"
                " and 3).",
                "",
                "**NOTE:** If your application uses glog this will also affect",
                "your verbose logging.",
                "",
                "Query parameters:",
                "",
                ">        level=VALUE          Verbosity level (e.g., 1, 2, 3)",
                ">        duration=VALUE       Duration to keep verbosity level",
                ">                             toggled (e.g., 10secs, 15mins, etc.)",
            ),
            authentication=True,
            references="[glog]: https://code.google.com/p/google-glog",
        )
    },
    "metrics": {
        "/snapshot": _page(
            "/metrics/snapshot",
            "Provides a snapshot of the current metrics.",
            (
                "This endpoint provides information regarding the current metrics",
                "tracked by the system.",
                "",
                "The optional query parameter 'timeout' determines the maximum",
                "amount of time the endpoint will take to respond. If the timeout",
                "is exceeded, some metrics may not be included in the response.",
                "",
                "The key is the metric name, and the value is a double-type.",
            ),
            authentication=True,
        )
    },
    "profiler": {
        "/start": _page(
            "/profiler/start",
            "Start profiling.",
            ("Start to use google perftools do profiling.",),
            authentication=True,
        ),
        "/stop": _page(
            "/profiler/stop",
            "Stops profiling.",
            ("Stop to use google perftools do profiling.",),
            authentication=True,
        ),
    },
    "system": {
        "/stats.json": _page(
            "/system/stats.json",
            "Shows local system metrics.",
            (
                ">        cpus_total          Total number of available CPUs",
                ">        load_1min           Average system load for last minute in uptime(1)"
                " style",
                ">        load_5min           Average system load for last 5 minutes in uptime(1)"
                " style",
                ">        load_15min          Average system load for last 15 minutes in uptime(1)"
                " style",
                ">        memory_total_bytes  Total system memory in bytes",
                ">        memory_free_bytes   Free system memory in bytes",
            ),
        )
    },
}


def pages(tables: Iterable[Table]) -> dict[str, dict[str, str]]:
    """All help pages, by process and endpoint, both sorted."""
    found: dict[str, dict[str, str]] = {process: dict(own) for process, own in OWN.items()}
    for table in tables:
        own = found[table.process] = {}
        for path in sorted({route.path for route in table.routes}):
            routes = [route for route in table.routes if route.path == path]
            own[path] = _page(
                f"/{table.process}{path}",
                summary(routes),
                help_lines(routes),
                authentication=routes[0].realm is not None,
            )
    return dict(sorted(found.items()))


def markdown(found: Mapping[str, Mapping[str, str]], process: str, name: str) -> str | None:
    """What `/help`, `/help/<process>` or `/help/<process>/<name>` shows; None if there is none.

    Args:
        found: from `pages`.
        process: empty for the list of all processes.
        name: without its slash; empty for the list of a process's endpoints.
    """
    if not process:
        return _index("## HELP\n", ((p, f"help/{p}") for p in found))
    if process not in found:
        return None
    if not name:
        paths = [process + endpoint for endpoint in found[process]]
        return _index(f"## `/{process}` ##\n", ((path, path) for path in paths))
    page = found[process].get(f"/{name}")
    return None if page is None else page + "\n"


def _index(title: str, links: Iterable[tuple[str, str]]) -> str:
    entries = list(links)
    document = title + "".join(f"> [/{text}][{text}]\n" for text, _ in entries)
    return document + "\n" + "".join(f"[{text}]: {target}\n" for text, target in entries)


def as_html(text: str) -> str:
    """A page for browsers; libprocess sends a script that lays the text out, this just shows it."""
    return (
        "<html><head><title>Help</title><style>body { font-family: Helvetica, arial, sans-serif;"
        " font-size: 14px; line-height: 1.6; padding: 30px; }</style></head>"
        f"<body><pre>{html.escape(text)}</pre></body></html>"
    )
