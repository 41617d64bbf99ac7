"""`agentsim probe-tables` and `agentsim suite`: the contract suite from the command line."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import click

from agentsim.suite.hosts import probe_files

PLUGIN = "agentsim.suite.pytest_plugin"
EX_UNAVAILABLE, EX_CANTCREAT = 69, 73


@click.command("probe-tables")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
def probe_tables_command(directory: Path) -> None:
    """Write the probe commands and their route tables to DIR, for a host under test to serve.

    \b
    Example, with a host that is started by hand:
      agentsim probe-tables /tmp/probes
      agentsim serve /tmp/probes/tables/*.json --credentials /tmp/probes/credentials.json \\
          --environment "PROBE_HOST=the host's" --environment "PROBE_BOTH=the host's"
      agentsim suite --abi-host=http://127.0.0.1:5051
    """
    try:
        written = probe_files.write(directory)
    except OSError as error:
        click.echo(f"{error.filename or directory}: {error.strerror}", err=True)
        sys.exit(EX_CANTCREAT)
    click.echo(f"{directory}: {len(written.tables)} tables in tables/, and credentials.json")


@click.command("suite", context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", metavar="[PYTEST OPTIONS]", nargs=-1, type=click.UNPROCESSED)
def suite_command(arguments: tuple[str, ...]) -> None:
    """Run the contract suite; options go to pytest (--abi-host, --abi-report, -n, -k, …).

    \b
    Examples:
      agentsim suite -n 2 --abi-report=report
      agentsim suite --abi-host=http://127.0.0.1:5051 -k stream
      agentsim suite --help
    """
    if importlib.util.find_spec("pytest") is None:
        click.echo("agentsim suite: pytest is missing: install agentsim[suite]", err=True)
        sys.exit(EX_UNAVAILABLE)
    here = str(Path(__file__).parent)
    options = [here, f"--rootdir={here}", "-p", "no:cacheprovider", "-p", PLUGIN, *arguments]
    # A pytest of its own: this one has imported already what pytest wants to import itself.
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *options])
