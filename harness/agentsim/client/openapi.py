"""`agentsim openapi`: route tables as an OpenAPI description, for clients that are generated."""

from __future__ import annotations

import json
from importlib.metadata import version
from os import EX_DATAERR, EX_NOINPUT
from pathlib import Path

import click

from agentsim.core.openapi import describe, undescribed
from agentsim.core.route_table import Table, TableError, parse
from agentsim.files.table_file import UnreadableTable, read_table_file


@click.command("openapi")
@click.argument(
    "tables", metavar="TABLE…", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.pass_context
def openapi_command(context: click.Context, tables: tuple[Path, ...]) -> None:
    """Print route tables as an OpenAPI 3.1 description.

    Paths, parameters with their types and limits, bodies, statuses, and which routes want
    credentials. Generators make clients of it, in most languages.

    \b
    Examples:
      agentsim openapi module/routes/packager.json > openapi.json
      openapi-python-client generate --path openapi.json
    """
    found: list[Table] = []
    for path in tables:
        try:
            found.append(parse(read_table_file(path), str(path)))
        except UnreadableTable as error:
            click.echo(f"{path}: {error}", err=True)
            context.exit(EX_NOINPUT)
        except TableError as error:
            click.echo(str(error), err=True)
            context.exit(EX_DATAERR)
    for each in undescribed(found):
        click.echo(f"left out, since OpenAPI does not know the method: {each}", err=True)
    click.echo(json.dumps(describe(found, version("agentsim")), indent=2, ensure_ascii=False))
