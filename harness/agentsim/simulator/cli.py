"""`agentsim serve` and `agentsim check`: the simulated agent from the command line."""

from __future__ import annotations

import os
import sys
import tempfile
from os import EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE, EX_USAGE
from pathlib import Path

import click

from agentsim.core.route_table import Table, TableError, parse
from agentsim.files.credentials import CredentialsError, read_credentials
from agentsim.files.table_file import UnreadableTable, read_table_file
from agentsim.mesos.actor_message import Pid
from agentsim.mesos.master_info import ZooKeeper
from agentsim.mesos.resources import BadDescription
from agentsim.simulator.agent import HEAD_SECONDS
from agentsim.simulator.fault_injection import BadRule, parse_rule
from agentsim.simulator.joining_options import joining, joining_options
from agentsim.simulator.log import Log, sentence
from agentsim.simulator.log_output import LogOutput
from agentsim.simulator.serve import CannotServe, Settings, serve

_TABLE = click.Path(path_type=Path)


@click.command("serve")
@click.argument("tables", metavar="TABLE…", nargs=-1, required=True, type=_TABLE)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=5051,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 takes a free one, which the first line names.",
)
@click.option(
    "--spool-dir",
    type=click.Path(path_type=Path, file_okay=False, exists=True, writable=True),
    default=tempfile.gettempdir,  # looked for only if needed: there may be none
    show_default="where temporary files go",
    help="Directory for bodies and outputs that are too large for memory; no name is ever seen.",
)
@click.option(
    "--spool-limit",
    default=8192,
    show_default=True,
    metavar="MIB",
    type=click.IntRange(1),
    help="How much may lie there at once.",
)
@click.option(
    "--credentials",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Credentials file in Mesos's format (JSON, or one 'principal secret' a line); routes with"
    " a realm then ask for them. Nobody else may write it.",
)
@click.option(
    "--open/--no-open",
    "opened",
    default=None,
    help="Without credentials: whether routes with a realm let everybody in, or answer 403 as a"
    " real agent does. On loopback they are open unless --no-open is given; on any other address"
    " nothing is served unless --open is given.",
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="A name by which a host without credentials may be called, beside addresses, localhost and"
    " --host: any other could be a web page's. May be repeated.",
)
@click.option(
    "--head-timeout",
    "head_seconds",
    default=HEAD_SECONDS,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(0.001, 86400),
    help="How long a client may take to send a request's head, before its connection is closed.",
)
@click.option(
    "--environment",
    multiple=True,
    metavar="NAME=VALUE",
    help="An entry for the commands' environment, over the tables' own; may be repeated.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the log on standard error is written.",
)
@click.option(
    "--page/--no-page",
    default=True,
    show_default=True,
    help="Show a browser a page at / with the routes as forms and what runs, and everybody what is"
    " served at /openapi.json; a real agent has neither.",
)
@click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep every exchange in this file, made anew, for `agentsim replay`.",
)
@click.option(
    "--inject",
    "faults",
    multiple=True,
    metavar="KIND[=AMOUNT]:ROUTE:PROBABILITY",
    help="Let requests meet faults, to test a client: refuse, delay (seconds), kill (the command,"
    " so many seconds after its start), slow (bytes a second), cut (after so many bytes). ROUTE is"
    " a path such as /packager/add, or *. May be repeated.",
)
@click.option("--seed", default=0, show_default=True, help="The same seed injects the same faults.")
@joining_options
def serve_command(
    tables: tuple[Path, ...],
    host: str,
    port: int,
    spool_dir: Path,
    spool_limit: int,
    credentials: Path | None,
    opened: bool | None,
    allowed_hosts: tuple[str, ...],
    head_seconds: float,
    environment: tuple[str, ...],
    log_format: str,
    page: bool,
    record: Path | None,
    faults: tuple[str, ...],
    seed: int,
    master: Pid | ZooKeeper | None,
    hostname: str,
    attributes: str,
    resources: str,
    domain: tuple[str, str] | None,
) -> None:
    """Serve the routes of one or more TABLEs until Ctrl-C.

    A table that changes on disk is served as it is now; one with a mistake is reported, and the
    one from before stays.

    \b
    Examples:
      agentsim serve module/routes/packager.json --environment "PATH=$PATH" \\
          --environment PACKAGER_ROOT=$HOME/store
      agentsim serve my-command.json --port 0 --log-format json
      agentsim serve my-command.json --master 10.0.0.1:5050 --host 10.0.0.7 --open
    """
    loaded = load_tables(tables)
    try:
        secrets, warnings = read_credentials(credentials) if credentials else ({}, [])
    except CredentialsError as error:
        _fail(EX_DATAERR, str(error))
    try:
        rules = [parse_rule(fault) for fault in faults]
    except BadRule as error:
        _fail(EX_USAGE, f"--inject {error}")
    try:
        joined = joining(master, hostname, attributes, resources, domain)
    except BadDescription as error:
        _fail(EX_USAGE, str(error))
    settings = Settings(
        loaded,
        # Not resolved: a link may lead elsewhere later, as mounted configuration's do.
        [path.absolute() for path in tables],
        host,
        port,
        spool_dir.resolve(),
        spool_limit << 20,
        secrets,
        dict(environment_entry(entry) for entry in environment),
        record.absolute() if record else None,
        rules,
        seed,
        page,
        opened,
        allowed_hosts,
        head_seconds,
        joined,
    )
    as_json = log_format == "json"

    def tell_dropped(count: int) -> bytes:
        text = f"{count} lines of this log were dropped: they could not be written in time"
        return sentence(text, as_json=as_json)

    # Without a standard error there is no log.
    descriptor = sys.stderr.fileno() if sys.stderr else os.open(os.devnull, os.O_WRONLY)
    output = LogOutput(descriptor, tell_dropped)
    log = Log(output.write, as_json=as_json)
    for warning in warnings:
        log.say(warning)
    try:
        serve(settings, log)
    except CannotServe as error:
        _fail(EX_UNAVAILABLE, str(error))
    finally:
        output.close()


@click.command("check")
@click.argument("tables", metavar="TABLE…", nargs=-1, required=True, type=_TABLE)
def check_command(tables: tuple[Path, ...]) -> None:
    """Say of every TABLE whether a host would serve it, and if not, where and why not.

    Exits with 65 if a table is refused, 66 if one can't be read.
    """
    for path, table in zip(tables, _load(tables), strict=True):
        click.echo(f"{path}: /{table.process}: all good, routes: {len(table.routes)}")


def load_tables(paths: tuple[Path, ...]) -> list[Table]:
    """The tables of files, of no two the process id; ends the program if any can't be served."""
    loaded = _load(paths)
    processes = [table.process for table in loaded]
    for path, process in zip(paths, processes, strict=True):
        if processes.count(process) > 1:
            _fail(EX_DATAERR, f"{path}: /process: another table has the process id {process!r}")
    return loaded


def _load(paths: tuple[Path, ...]) -> list[Table]:
    tables, problems, status = [], [], EX_DATAERR
    for path in paths:
        try:
            tables.append(parse(read_table_file(path), str(path)))
        except UnreadableTable as error:
            problems.append(str(error))
            status = EX_NOINPUT
        except TableError as error:
            problems += map(str, error.mistakes)
    if problems:
        _fail(status, *problems)
    return tables


def environment_entry(entry: str) -> tuple[str, str]:
    """Name and value of an --environment; ends the program if it is none."""
    name, equals, value = entry.partition("=")
    if not equals or not name.isidentifier() or not name.isascii():
        _fail(EX_USAGE, f"--environment {entry!r}: expected NAME=VALUE")
    if name.startswith("ABI_"):
        _fail(EX_USAGE, f"--environment {name}: names that start with ABI_ are the host's own")
    return name, value


def _fail(status: int, *lines: str) -> None:
    for line in lines:
        click.echo(line, err=True)
    sys.exit(status)
