"""`agentsim schema`: the JSON Schema of route tables, for editors."""

from __future__ import annotations

from importlib.resources import files

import click


@click.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of route tables.

    An editor that knows JSON Schema completes and checks a table which names it as "$schema".
    What a schema can't say, `agentsim check` does.

    \b
    Example:
      agentsim schema > route-table.schema.json
      (and in the table beside it:  "$schema": "route-table.schema.json")
    """
    click.echo(files("agentsim.core").joinpath("route-table.schema.json").read_bytes(), nl=False)
