"""The answer to GET /slaves, as a registry. Pure.

It is judged before it is believed: an entry that is not understood is an error, not an agent less.
"""

from __future__ import annotations

import json
import re
from typing import Any

from packager.base.errors import ProtocolError

from rollout.core.registry import (
    Agent,
    Drain,
    HostId,
    Placement,
    RecoveredAgent,
    Registry,
    attribute_text,
)

PID = re.compile(r"[^@\s]+@([0-9.]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})")
USED = ("cpus", "mem", "disk", "gpus")


def parse_listing(body: bytes) -> Registry:
    """The registry that the master lists. Raises ProtocolError."""
    try:
        document = json.loads(body)
        return Registry(
            tuple(_agent(each) for each in document["slaves"]),
            tuple(_recovered(each) for each in document["recovered_slaves"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ProtocolError(
            f"the master's list of agents can't be understood ({type(error).__name__}: {error})"
        ) from None


def _agent(entry: dict[str, Any]) -> Agent:
    pid = PID.fullmatch(_text(entry["pid"]))
    if pid is None:
        raise ValueError("a pid is not ID@IP:PORT")
    drain = entry.get("drain_info", {}).get("state")
    return Agent(
        agent_id=_text(entry["id"]),
        host=HostId(_hostname(entry), f"{pid[1]}:{int(pid[2])}"),
        placement=_placement(entry),
        active=_truth(entry["active"]),
        # Masters before 1.11 don't know the word.
        deactivated=_truth(entry.get("deactivated", False)),
        drain=None if drain is None else Drain(drain),
        idle=not any(entry.get("used_resources", {}).get(name) for name in USED),
    )


def _recovered(entry: dict[str, Any]) -> RecoveredAgent:
    port = entry["port"]
    if not isinstance(port, int):
        raise TypeError("a port is no number")
    return RecoveredAgent(_text(entry["id"]), _hostname(entry), port, _placement(entry))


def _placement(entry: dict[str, Any]) -> Placement:
    domain = entry.get("domain", {}).get("fault_domain", {})
    attributes = {
        _text(name): attribute_text(value) for name, value in entry.get("attributes", {}).items()
    }
    region, zone = (domain.get(name, {}).get("name") for name in ("region", "zone"))
    return Placement(region, zone, attributes)


def _hostname(entry: dict[str, Any]) -> str:
    hostname = _text(entry["hostname"])
    if not hostname or not hostname.isprintable() or "@" in hostname or "/" in hostname:
        raise ValueError("a hostname has a character that none can have")
    return hostname


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is none")
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("a boolean is none")
    return value
