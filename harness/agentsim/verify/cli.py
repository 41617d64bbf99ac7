"""`agentsim verify-command`: what the checks found, as a table or as JSON."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from os import EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE, EX_USAGE
from pathlib import Path
from types import FrameType

import click

from agentsim.client.terminal import tame
from agentsim.core.route_table import Table, TableError, parse
from agentsim.files.table_file import UnreadableTable, read_table_file
from agentsim.verify.clause_checks import FAIL, NOT_APPLICABLE, PASS, Finding, verify
from agentsim.verify.command_runner import Runner
from agentsim.verify.sample_values import BadSample, sample

_WORST_FIRST = (FAIL, PASS, NOT_APPLICABLE)


@click.command("verify-command")
@click.argument("table", type=click.Path(path_type=Path))
@click.option(
    "--sample",
    "samples",
    nargs=2,
    multiple=True,
    metavar="ROUTE NAME=VALUE",
    help="A parameter's value for a route, such as /add url=https://…; may be repeated. Without it"
    " required parameters get a value that their type allows, and the others none.",
)
@click.option(
    "--stdin",
    "body",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The request body of the routes that take one; an empty one otherwise.",
)
@click.option("--only", multiple=True, metavar="ROUTE", help="Only this route; may be repeated.")
@click.option(
    "--environment",
    multiple=True,
    metavar="NAME=VALUE",
    help="As of `agentsim serve`; point the command at a store of its own.",
)
@click.option(
    "--timeout",
    default=30.0,
    show_default=True,
    type=click.FloatRange(min=0.1),
    help="Seconds that a run may take, if its route does not give it less.",
)
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
def verify_command(
    table: Path,
    samples: tuple[tuple[str, str], ...],
    body: Path | None,
    only: tuple[str, ...],
    environment: tuple[str, ...],
    timeout: float,
    form: str,
) -> None:
    """Hold the command of TABLE to what a command owes a host (clauses ABI-CMD).

    The command is run for real, some twenty times a route, without any host: give it a place to
    work that may be changed.

    \b
    Example:
      agentsim verify-command module/routes/packager.json --environment "PATH=$PATH" \\
          --environment PACKAGER_ROOT=$(mktemp -d) --sample /show.json id=hello--1.0

    Exits with 0 if no clause is broken, 65 if one is.
    """
    loaded = _load(table)
    values = _values(loaded, samples)
    chosen = [r for r in loaded.routes if not only or r.path in only]
    missing = set(only) - {route.path for route in loaded.routes}
    if missing:
        _fail(EX_USAGE, f"--only {min(missing)}: the table has no such route")
    variables = dict(entry.partition("=")[::2] for entry in environment)
    if any("=" not in entry for entry in environment):
        _fail(EX_USAGE, "--environment: expected NAME=VALUE")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupted)
    runner = Runner(loaded, variables, body.resolve() if body else None, timeout)
    findings: list[Finding] = []
    try:
        for route in chosen:
            findings += verify(runner, sample(route, values.get(route.path, {})))
    except BadSample as error:
        _fail(EX_USAGE, str(error))
    except OSError as error:
        _fail(EX_UNAVAILABLE, f"{loaded.command[0]} can't be started: {error.strerror}")
    if form == "json":
        document = {"findings": [asdict(finding) for finding in findings]}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for line in report(findings):
            click.echo(line)
    sys.exit(EX_DATAERR if any(finding.verdict == FAIL for finding in findings) else 0)


def _interrupted(number: int, _: FrameType | None) -> None:
    """Unwind: the run of the moment, and what it has started, are ended on the way."""
    sys.exit(128 + number)


def report(findings: Sequence[Finding]) -> Iterable[str]:
    """The findings as lines: each check with its worst verdict, then why on which route."""
    checks = dict.fromkeys((finding.clause, finding.check) for finding in findings)
    width = max(len(check) for _, check in checks) if checks else 0
    counts = dict.fromkeys(_WORST_FIRST, 0)
    for clause, check in checks:
        own = [f for f in findings if (f.clause, f.check) == (clause, check)]
        worst = next(v for v in _WORST_FIRST if any(f.verdict == v for f in own))
        counts[worst] += 1
        passed = sum(f.verdict == PASS for f in own)
        told = f"{passed} of {len(own)} routes" if passed else ""
        yield f"{worst:4}  {clause:10}  {check:{width}}  {told}".rstrip()
        reasons = [f for f in own if f.verdict == worst and f.reason and worst != PASS]
        if worst == NOT_APPLICABLE:
            for reason in dict.fromkeys(f.reason for f in reasons):
                yield f"        {tame(reason)}"
        else:
            for finding in reasons:
                yield f"        {finding.route}: {tame(finding.reason)}"
    yield f"{counts[PASS]} kept, {counts[FAIL]} broken, {counts[NOT_APPLICABLE]} not applicable"


def _load(path: Path) -> Table:
    try:
        return parse(read_table_file(path), str(path))
    except UnreadableTable as error:
        _fail(EX_NOINPUT, str(error))
    except TableError as error:
        _fail(EX_DATAERR, *map(str, error.mistakes))
    raise AssertionError


def _values(table: Table, samples: Iterable[tuple[str, str]]) -> dict[str, dict[str, bytes]]:
    values: dict[str, dict[str, bytes]] = {}
    paths = {route.path for route in table.routes}
    for path, pair in samples:
        name, equals, value = pair.partition("=")
        if not equals:
            _fail(EX_USAGE, f"--sample {path} {pair}: expected NAME=VALUE")
        if path not in paths:
            _fail(EX_USAGE, f"--sample {path}: the table has no such route")
        values.setdefault(path, {})[name] = value.encode("utf-8", "surrogateescape")
    return values


def _fail(status: int, *lines: str) -> None:
    for line in lines:
        click.echo(line, err=True)
    sys.exit(status)
