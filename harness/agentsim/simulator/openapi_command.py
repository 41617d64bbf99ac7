"""`agentsim openapi`: route tables as an OpenAPI document."""

from __future__ import annotations

import json
from pathlib import Path

import click

from agentsim.openapi.document import describe_tables
from agentsim.simulator.cli import load_tables


@click.command("openapi")
@click.argument(
    "tables", metavar="TABLE…", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--server",
    default="/",
    show_default=True,
    metavar="URL",
    help="Where the host is; / is wherever a client found the document.",
)
def openapi_command(tables: tuple[Path, ...], server: str) -> None:
    """Print an OpenAPI 3.1 description of what TABLEs serve, for generators of clients.

    A simulated agent serves the same of its own tables at /openapi.json. Exits as `agentsim check`
    does for a table that can't be served.

    \b
    Examples:
      agentsim openapi module/routes/packager.json > packager.openapi.json
      agentsim openapi --server http://10.0.0.7:5051 my-command.json > my-command.openapi.json
    """
    document = describe_tables(load_tables(tables), server, guarded=True)
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))
