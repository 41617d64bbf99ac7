"""`agentsim cluster` from the command line."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from os import EX_DATAERR, EX_UNAVAILABLE, EX_USAGE
from pathlib import Path
from typing import NoReturn

import click

from agentsim.cluster.faults import BadFault, parse_fault
from agentsim.cluster.masters import MastersOptions
from agentsim.cluster.patterns import MAX_AGENTS, AgentList, BadPattern, Patterns
from agentsim.cluster.run import ClusterSettings, run_cluster
from agentsim.core.route_table import Table
from agentsim.files.credentials import CredentialsError, read_credentials
from agentsim.master.acls import EVERYTHING, BadAcls, read_acls
from agentsim.master.host import MasterOptions
from agentsim.mesos.actor_message import Pid
from agentsim.mesos.agent_description import DEFAULT_RESOURCES, AgentDescription
from agentsim.mesos.master_info import ZooKeeper
from agentsim.simulator.cli import environment_entry, load_tables
from agentsim.simulator.joining_options import domain_option, master_option
from agentsim.simulator.log import Log, sentence
from agentsim.simulator.log_output import LogOutput
from agentsim.simulator.serve import CannotServe

#: How many agents of one process register in a second on a usual machine, both sides included.
_REGISTRATIONS_A_SECOND = 500.0
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("cluster")
@click.argument("tables", metavar="[TABLE…]", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--agents",
    metavar="N|FILE",
    required=True,
    help="How many agents, or a JSON file that lists them; 0 for a simulated master alone.",
)
@click.option(
    "--master",
    callback=master_option,
    metavar="ADDRESS:PORT|zk://HOSTS/PATH",
    help="Register with this real master. Without it one is simulated.",
)
@click.option(
    "--port",
    default=5051,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port at which every agent listens, at its own address from 127.1.0.1 on; 0 takes a free"
    " one.",
)
@click.option(
    "--hostname",
    default="sim-{number:04}",
    show_default=True,
    metavar="PATTERN",
    help="What the hosts are called.",
)
@click.option(
    "--attributes",
    default="",
    metavar="PATTERN",
    help="Their attributes, such as 'role:web|db;rack:r{number}': a | b are taken in turn.",
)
@click.option(
    "--resources",
    default=DEFAULT_RESOURCES,
    show_default=True,
    metavar="PATTERN",
    help="What they offer.",
)
@click.option(
    "--domain",
    callback=domain_option,
    metavar="REGION/ZONE",
    help="Their fault domains, such as 'eu/z1|z2|z3'.",
)
@click.option(
    "--master-port",
    default=5050,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port of the simulated master on 127.0.0.1; 0 takes a free one.",
)
@click.option(
    "--master-credentials",
    type=_FILE,
    help="Who may call the simulated master, in Mesos's format; without it everybody may.",
)
@click.option(
    "--masters",
    "count",
    default=1,
    show_default=True,
    type=click.IntRange(1, 9),
    help="How many masters are simulated; more than one need --election.",
)
@click.option(
    "--election",
    callback=master_option,
    metavar="zk://HOSTS/PATH",
    help="A real ZooKeeper in which the simulated masters elect their leader, and agents find it.",
)
@click.option("--acls", type=_FILE, help="What its callers may do, as mesos-master has it.")
@click.option(
    "--time-scale",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.001, 1000),
    help="How many times as long as in a real master the durations of the simulated one are:"
    " pings of 15 s, re-registration within 600 s, a failover of 10 s.",
)
@click.option(
    "--credentials",
    type=_FILE,
    help="Who may call the agents' routes with a realm, in Mesos's format.",
)
@click.option(
    "--environment",
    multiple=True,
    metavar="NAME=VALUE",
    help="An entry for the commands' environment; {number} and {hostname} are the agent's own, so"
    " that each can have a place for itself. May be repeated.",
)
@click.option(
    "--spool-dir",
    type=click.Path(path_type=Path, file_okay=False, exists=True, writable=True),
    default=tempfile.gettempdir,
    show_default="where temporary files go",
    help="Directory for bodies and outputs that are too large for memory.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the log on standard error is written.",
)
@click.option(
    "--scripted/--processes",
    default=False,
    show_default=True,
    help="Play the command `provisioner` instead of starting it: for thousands of agents, whose"
    " runs, revisions, fences and health are then real and their hosts are not.",
)
@click.option(
    "--step-seconds",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 3600),
    help="How long each step of a played command takes.",
)
@click.option(
    "--inject",
    "faults",
    multiple=True,
    metavar="KIND[=AMOUNT]:AGENTS",
    help="Let agents fail from the start: unreachable, hang, refuse, slow, delay, cut, busy, full,"
    " die, restart, twin; AGENTS are numbers (3, 3-7), hostnames, ATTRIBUTE=VALUE, a share (10%)"
    " or *, with commas. May be repeated; a running cluster is told at its own address.",
)
@click.option("--seed", default=0, show_default=True, help="The same seed draws the same.")
def cluster_command(
    tables: tuple[Path, ...],
    agents: str,
    master: Pid | ZooKeeper | None,
    port: int,
    hostname: str,
    attributes: str,
    resources: str,
    domain: tuple[str, str] | None,
    master_port: int,
    master_credentials: Path | None,
    count: int,
    election: Pid | ZooKeeper | None,
    acls: Path | None,
    time_scale: float,
    credentials: Path | None,
    environment: tuple[str, ...],
    spool_dir: Path,
    log_format: str,
    scripted: bool,
    step_seconds: float,
    faults: tuple[str, ...],
    seed: int,
) -> None:
    """Run many simulated agents in one process, as members of a cluster, until Ctrl-C.

    Each serves the routes of the TABLEs at an address of its own, and registers with a Mesos
    master: a real one, or one that is simulated beside them.

    \b
    Examples:
      agentsim cluster --agents 1000
      agentsim cluster my-command.json --agents 50 --attributes 'role:web|db' \\
          --domain 'eu/z1|z2' --environment 'STATE=/tmp/cluster/{hostname}'
      agentsim cluster --agents 1000 --master 127.0.0.1:5050
      agentsim cluster --agents 0 --master-port 5050   # only a master
    """
    try:
        for fault in faults:
            parse_fault(fault)
    except BadFault as error:
        _fail(EX_USAGE, f"--inject {error}")
    if isinstance(election, Pid) or (count > 1 and election is None):
        _fail(EX_USAGE, "--masters needs --election zk://HOST:PORT/PATH")
    agent_count, describe = _agents(agents, Patterns(hostname, attributes, resources, domain))
    as_json = log_format == "json"

    def tell_dropped(number: int) -> bytes:
        words = f"{number} lines of this log were dropped: they could not be written in time"
        return sentence(words, as_json=as_json)

    descriptor = sys.stderr.fileno() if sys.stderr else os.open(os.devnull, os.O_WRONLY)
    output = LogOutput(descriptor, tell_dropped)
    log = Log(output.write, as_json=as_json)
    try:
        masters = MastersOptions(
            port=master_port,
            count=count,
            election=election,
            options=MasterOptions(
                credentials=_secrets(master_credentials, log),
                acls=EVERYTHING if acls is None else read_acls(acls),
            ),
        ).scaled(time_scale)
        settings = ClusterSettings(
            _loaded(tables),
            agent_count,
            describe,
            port,
            master,
            masters,
            spool_dir.resolve(),
            8192 << 20,
            _secrets(credentials, log),
            dict(map(environment_entry, environment)),
            seed,
            _backoff(agent_count) * (time_scale if master is None else 1.0),
            faults,
            step_seconds if scripted else None,
        )
        run_cluster(settings, log)
    except BadAcls as error:
        _fail(EX_DATAERR, str(error))
    except (BadFault, BadPattern) as error:
        _fail(EX_USAGE, str(error))
    except CannotServe as error:
        _fail(EX_UNAVAILABLE, str(error))
    finally:
        output.close()


def _backoff(count: int) -> float:
    """Seconds within which so many agents first register: no master takes thousands at once.

    As of an agent's --registration_backoff_factor, which is a second where nobody says otherwise.
    """
    return max(1.0, count / _REGISTRATIONS_A_SECOND)


def _agents(text: str, patterns: Patterns) -> tuple[int, Callable[[int, int], AgentDescription]]:
    try:
        if text.isdecimal():
            count = int(text)
            if count > MAX_AGENTS:
                _fail(EX_USAGE, f"--agents {text}: {MAX_AGENTS} at the most can have addresses")
            patterns.describe(1, 1)
            return count, patterns.describe
        listed = AgentList(Path(text))
    except BadPattern as error:
        _fail(EX_USAGE, str(error))
    return len(listed), listed.describe


def _loaded(tables: tuple[Path, ...]) -> list[Table]:
    return load_tables(tables) if tables else []


def _secrets(path: Path | None, log: Log) -> dict[bytes, bytes]:
    if path is None:
        return {}
    try:
        secrets, warnings = read_credentials(path)
    except CredentialsError as error:
        _fail(EX_DATAERR, str(error))
    for warning in warnings:
        log.say(warning)
    return secrets


def _fail(status: int, text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(status)
