"""`agentsim routes`: what a table, or a running agent, serves, as an aligned table."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from contextlib import closing
from http import HTTPStatus
from os import EX_DATAERR, EX_NOINPUT, EX_PROTOCOL
from pathlib import Path

import click

from agentsim.client.connection import CallFailed, connect, told_as_call_failed
from agentsim.client.terminal import tame
from agentsim.core.route_description import Description, describe, from_help
from agentsim.core.route_table import TableError, parse
from agentsim.files.table_file import UnreadableTable, read_table_file

_SECONDS = 10.0
_TITLES = ("METHOD", "PATH", "PARAMETERS", "ANSWER", "SECONDS", "REALM", "HELP")
_GAP = "  "


@click.command("routes")
@click.argument("sources", metavar="TABLE…|URL…", nargs=-1, required=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Aligned columns for people, or JSON.",
)
def routes_command(sources: tuple[str, ...], form: str) -> None:
    """Print the routes of route tables, or of running agents.

    A required parameter has an asterisk. Of an agent's own endpoints only the summary is known.
    An agent is asked as by `agentsim call`: by the proxies of the environment, and with its exit
    status where it does not answer.

    \b
    Examples:
      agentsim routes module/routes/packager.json
      agentsim routes http://127.0.0.1:5051 --format json
    """
    found: list[Description] = []
    try:
        for source in sources:
            found += _of_agent(source) if "://" in source else _of_table(source)
    except CallFailed as failed:
        click.echo(str(failed), err=True)
        sys.exit(failed.status)
    if form == "json":
        document = {"routes": [route.as_json() for route in found]}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for line in layout(found, width):
            click.echo(line)


def _of_table(path: str) -> list[Description]:
    try:
        table = parse(read_table_file(Path(path)), path)
    except UnreadableTable as error:
        raise CallFailed(EX_NOINPUT, str(error)) from None
    except TableError as error:
        raise CallFailed(EX_DATAERR, "\n".join(map(str, error.mistakes))) from None
    return [describe(route) for route in table.routes]


def _of_agent(url: str) -> list[Description]:
    place = f"{url.rstrip('/')}/help?format=json"
    connection = connect(place, _SECONDS)
    with closing(connection.http), told_as_call_failed(connection.place, _SECONDS):
        connection.http.request("GET", connection.target, headers=connection.fields)
        answer = connection.http.getresponse()
        body = answer.read()
    try:
        if answer.status != HTTPStatus.OK:
            raise ValueError(answer.status)
        processes = json.loads(body)["processes"]
        return [
            route
            for process in processes
            for endpoint in process["endpoints"]
            for route in from_help(process["id"], endpoint["name"], endpoint["text"])
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        text = f"{place}: this is no agent's help (status {answer.status})"
        raise CallFailed(EX_PROTOCOL, text) from None


def layout(routes: Iterable[Description], width: int | None) -> list[str]:
    """The lines of the table.

    Args:
        routes: what to show, in this order.
        width: columns of the terminal; the help is wrapped to it where that leaves it room, and
            stays on one line without one.
    """
    rows: list[tuple[str, ...]] = [_TITLES]
    # A route with several parameters takes a line for each.
    for route in routes:
        parameters = [
            _parameter_text(p.name, p.place, p.type, p.required) for p in route.parameters
        ]
        kind = f"{route.delivery} {route.type}".strip()
        rows.append(
            (
                ",".join(route.methods) or "-",
                f"/{route.process}{route.path}",
                parameters[0] if parameters else "",
                kind,
                route.timeout,
                route.realm or "",
                route.help,
            )
        )
        rows += [("", "", more, "", "", "", "") for more in parameters[1:]]
    if len(rows) == 1:
        return []
    rows = [tuple(tame(cell) for cell in row) for row in rows]
    used = [i for i in range(len(_TITLES)) if any(row[i] for row in rows[1:])]
    return _aligned([[row[i] for i in used] for row in rows], width)


def _aligned(rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    before = sum(widths) + len(_GAP) * len(widths)
    room = width - before if width is not None and width - before >= 20 else None
    lines = []
    for row in rows:
        last = textwrap.wrap(row[-1], room) if room is not None else [row[-1]]
        cells = [cell.ljust(size) for cell, size in zip(row, widths, strict=False)]
        lines.append(_GAP.join([*cells, *last[:1]]).rstrip())
        lines += [" " * before + more for more in last[1:]]
    return lines


def _parameter_text(name: str, place: str, type_: str, required: bool) -> str:
    return f"{'/' if place == 'path' else ''}{name}{'*' if required else ''}: {type_}"
