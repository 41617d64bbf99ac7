"""Where masters are: the options that name them, and what they write into ZooKeeper.

Source: Mesos `zookeeper/url.hpp`, `master/detector/zookeeper.cpp`, `contender/zookeeper.cpp`;
the nodes of a real election.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agentsim.mesos.actor_message import Pid

#: The name of the actor that a master is.
MASTER_ID: Final = "master"
#: What the nodes of masters in an election are called, before the number ZooKeeper gives.
NODE_PREFIX: Final = "json.info_"

_HOSTS = re.compile(r"[^/@,\s]+:[0-9]+(?:,[^/@,\s]+:[0-9]+)*")
_DEFAULT_PORT: Final = 5050


class BadMaster(ValueError):
    """A --master that names none; the text says why."""


@dataclass(frozen=True, slots=True)
class ZooKeeper:
    """An election in ZooKeeper: `zk://[user:password@]host:port[,…]/path`."""

    hosts: str
    path: str
    credentials: str | None = None


def parse_master(text: str) -> Pid | ZooKeeper:
    """What an option --master names: a master's address, or an election.

    Raises:
        BadMaster: neither; names of hosts are not taken, since a master's messages come from an
            address.
    """
    if text.startswith("zk://"):
        rest = text.removeprefix("zk://")
        credentials, at, place = rest.rpartition("@")
        hosts, slash, path = place.partition("/")
        if _HOSTS.fullmatch(hosts) is None or not slash or not path.strip("/"):
            raise BadMaster(f"{text!r}: expected zk://HOST:PORT[,HOST:PORT…]/PATH")
        return ZooKeeper(hosts, f"/{path.strip('/')}", credentials if at else None)
    place = text.removeprefix("http://").removesuffix("/")
    host, _, port = place.partition(":")
    try:
        ip = ipaddress.IPv4Address("127.0.0.1" if host == "localhost" else host)
        number = int(port or _DEFAULT_PORT)
    except ValueError:
        raise BadMaster(f"{text!r}: expected ADDRESS:PORT of a master, or zk://…/PATH") from None
    if not 0 < number < 65536:
        raise BadMaster(f"{text!r}: {number} is no port")
    return Pid(MASTER_ID, str(ip), number)


def leading(nodes: Iterable[str]) -> str | None:
    """Of the nodes of an election that of the leader: the one with the lowest number."""
    return min((each for each in nodes if each.startswith(NODE_PREFIX)), default=None)


def read_master_info(data: bytes) -> Pid | None:
    """The master that a node of an election describes, None if it describes none."""
    try:
        address = json.loads(data)["address"]
        return Pid(MASTER_ID, str(ipaddress.IPv4Address(address["ip"])), int(address["port"]))
    except (ValueError, KeyError, TypeError):
        return None


def master_info(
    pid: Pid, master_id: str, version: str, domain: Sequence[str] | None
) -> dict[str, Any]:
    """What a master says of itself, in the order of GET_MASTER.

    Args:
        pid: where it listens.
        master_id: made anew at each start.
        version: of Mesos.
        domain: region and zone, if it has them.
    """
    described: dict[str, Any] = {
        "id": master_id,
        # In network order, as Mesos has it (MESOS-1201).
        "ip": int.from_bytes(ipaddress.IPv4Address(pid.ip).packed, "little"),
        "port": pid.port,
        "pid": str(pid),
        "hostname": pid.ip,
        "version": version,
        "address": {"hostname": pid.ip, "ip": pid.ip, "port": pid.port},
    }
    if domain is not None:
        region, zone = domain
        described["domain"] = {"fault_domain": {"region": {"name": region}, "zone": {"name": zone}}}
    described["capabilities"] = [
        {"type": each} for each in ("AGENT_UPDATE", "AGENT_DRAINING", "QUOTA_V2")
    ]
    return described
