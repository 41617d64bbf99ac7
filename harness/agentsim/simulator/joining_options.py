"""The options by which a simulated agent joins a cluster."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import click

from agentsim.mesos.actor_message import Pid
from agentsim.mesos.agent_description import DEFAULT_RESOURCES, AgentDescription
from agentsim.mesos.master_info import BadMaster, ZooKeeper, parse_master
from agentsim.mesos.resources import parse_attributes, parse_resources
from agentsim.simulator.joining import Joining


def master_option(_: click.Context, __: click.Parameter, value: str | None) -> Any:
    """What --master names, as a callback of click."""
    if value is None:
        return None
    try:
        return parse_master(value)
    except BadMaster as error:
        raise click.BadParameter(str(error)) from None


def domain_option(_: click.Context, __: click.Parameter, value: str | None) -> Any:
    """Region and zone of a --domain, as a callback of click."""
    if value is None:
        return None
    region, slash, zone = value.partition("/")
    if not slash or not region or not zone or "/" in zone:
        raise click.BadParameter(f"{value!r}: expected REGION/ZONE, such as eu/z1")
    return region, zone


def joining_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of an agent that joins a cluster."""
    for option in reversed(
        (
            click.option(
                "--master",
                callback=master_option,
                metavar="ADDRESS:PORT|zk://HOSTS/PATH",
                help="Register with this Mesos master, or with the one that leads an election in"
                " ZooKeeper, and stay its agent until the end.",
            ),
            click.option(
                "--hostname",
                default=socket.gethostname,
                show_default="this machine's",
                help="With --master: what the master calls the host.",
            ),
            click.option(
                "--attributes",
                default="",
                metavar="NAME:VALUE[;…]",
                help="With --master: the agent's attributes, such as role:web;rack:r1.",
            ),
            click.option(
                "--resources",
                default=DEFAULT_RESOURCES,
                show_default=True,
                metavar="NAME:VALUE[;…]",
                help="With --master: what the agent offers.",
            ),
            click.option(
                "--domain",
                callback=domain_option,
                metavar="REGION/ZONE",
                help="With --master: the agent's fault domain.",
            ),
        )
    ):
        function = option(function)
    return function


def joining(
    master: Pid | ZooKeeper | None,
    hostname: str,
    attributes: str,
    resources: str,
    domain: tuple[str, str] | None,
) -> Joining | None:
    """What the options say; None without --master.

    Raises:
        BadDescription: attributes or resources are none.
    """
    if master is None:
        return None
    marked, offered = parse_attributes(attributes), parse_resources(resources)
    region, zone = domain or (None, None)

    def describe(ip: str, port: int) -> AgentDescription:
        return AgentDescription(hostname, ip, port, offered, marked, region, zone)

    return Joining(master, describe)
