"""The command line of agentsim: every command is in the room of what it does."""

from __future__ import annotations

from os import EX_USAGE

import click

from agentsim.client.call import call_command
from agentsim.client.replay import replay_command
from agentsim.client.routes import routes_command
from agentsim.client.schema import schema_command
from agentsim.cluster.cli import cluster_command
from agentsim.demo.cli import demo_command
from agentsim.simulator.cli import check_command, serve_command
from agentsim.simulator.openapi_command import openapi_command
from agentsim.suite.cli import probe_tables_command, suite_command
from agentsim.verify.cli import verify_command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="agentsim", prog_name="agentsim")
def cli() -> None:
    """A Mesos agent's HTTP endpoints that run command lines, without a Mesos agent.

    \b
    A first try:
      agentsim check module/routes/packager.json
      agentsim serve module/routes/packager.json --environment PACKAGER_ROOT=$PWD/store \\
          --environment "PATH=$PATH"
      agentsim call GET http://127.0.0.1:5051/packager/list.json
    """


for command in (
    call_command,
    check_command,
    cluster_command,
    demo_command,
    openapi_command,
    probe_tables_command,
    replay_command,
    routes_command,
    schema_command,
    serve_command,
    suite_command,
    verify_command,
):
    cli.add_command(command)


def run() -> None:
    """Run the command line."""
    click.UsageError.exit_code = EX_USAGE
    cli(prog_name="agentsim")
