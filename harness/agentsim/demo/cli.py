"""`agentsim demo`: the demonstration from the command line."""

from __future__ import annotations

import sys

import click


@click.command("demo")
@click.option("--once", is_flag=True, help="End after the last step instead of staying up.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=5051,
    show_default=True,
    help="Port to prefer; a free one is taken if it is in use.",
)
def demo_command(once: bool, port: int) -> None:
    """Show the main job: install real software over HTTP on a simulated agent.

    Needs no network, no root and no agent; what it makes goes to a temporary directory and is
    removed at the end. The agent stays up after the last step, for you to go on with curl.
    """
    from agentsim.demo.steps import run

    sys.exit(run(once=once, port=port))
