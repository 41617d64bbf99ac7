"""What each agent of a cluster is called and has: one pattern for all, or a file that lists them.

A pattern may hold `{number}`, the number of the agent from 1 on, in the notation of Python's format
(`sim-{number:04}`), and alternatives `a|b|c` in the value of an attribute or a zone, which the
agents take in turn. Everything is a function of the number, so a cluster is the same in every run.
"""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

from agentsim.mesos.agent_description import CAPABILITIES, VERSION, AgentDescription
from agentsim.mesos.resources import BadDescription, parse_attributes, parse_resources

#: Agents have the addresses above it, in the order of their numbers.
BASE_ADDRESS: Final = IPv4Address("127.1.0.0")
#: So many fit below 127.255.255.255.
MAX_AGENTS: Final = (254 << 16) + 0xFFFF

_MEMBERS: Final = frozenset(
    ("hostname", "attributes", "resources", "domain", "version", "capabilities")
)


class BadPattern(ValueError):
    """A pattern or a list of agents that can't be used; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Patterns:
    """What agents are called and have.

    Attributes:
        hostname, attributes, resources: as the options of an agent have them.
        domain: region and zone.
    """

    hostname: str
    attributes: str
    resources: str
    domain: tuple[str, str] | None

    def describe(self, number: int, port: int) -> AgentDescription:
        """The agent of a number.

        Raises:
            BadPattern: the patterns make none.
        """
        region, zone = self.domain or (None, None)
        try:
            return AgentDescription(
                fill(self.hostname, number),
                address(number),
                port,
                parse_resources(fill(self.resources, number)),
                parse_attributes(_in_turn(fill(self.attributes, number), number)),
                None if region is None else _choose(fill(region, number), number),
                None if zone is None else _choose(fill(zone, number), number),
            )
        except BadDescription as error:
            raise BadPattern(str(error)) from None


def address(number: int) -> str:
    """The address of the agent of a number."""
    return str(BASE_ADDRESS + number)


def fill(pattern: str, number: int, **more: str) -> str:
    """A pattern with the number of an agent in its place.

    Args:
        more: other names that it may hold.

    Raises:
        BadPattern: it holds something else in braces.
    """
    try:
        return string.Formatter().vformat(pattern, (), {"number": number, **more})
    except (KeyError, IndexError, ValueError, AttributeError, TypeError):
        names = ", ".join(f"{{{name}}}" for name in ("number", *more))
        raise BadPattern(f"{pattern!r}: in braces may stand {names}; {{{{ is a brace") from None


class AgentList:
    """The agents that a file lists.

    The file is JSON: a list of objects with `hostname`, and if wanted `attributes`, `resources`
    (as the options have them), `domain` (`REGION/ZONE`), `version`, `capabilities`.

    Raises:
        BadPattern: it can't be read, or lists something else.
    """

    def __init__(self, path: Path) -> None:
        try:
            entries = json.loads(path.read_bytes())
        except OSError as error:
            raise BadPattern(f"{path}: can't be read: {error.strerror}") from None
        except ValueError as error:
            raise BadPattern(f"{path}: not JSON: {error}") from None
        if not isinstance(entries, list) or not entries:
            raise BadPattern(f"{path}: expected a list of agents")
        self._path = path
        self._entries = entries
        for number in range(1, len(entries) + 1):
            self.describe(number, 1)

    def __len__(self) -> int:
        return len(self._entries)

    def describe(self, number: int, port: int) -> AgentDescription:
        """The agent of a number."""
        place = f"{self._path}: /{number - 1}"
        entry = self._entries[number - 1]
        if not isinstance(entry, dict) or not isinstance(entry.get("hostname"), str):
            raise BadPattern(f'{place}: expected an object with "hostname"')
        unknown = sorted(entry.keys() - _MEMBERS)
        if unknown:
            raise BadPattern(f"{place}/{unknown[0]}: there is no such member")
        try:
            return _listed(entry, number, port)
        except (BadDescription, TypeError, ValueError) as error:
            raise BadPattern(f"{place}: {error}") from None


def _listed(entry: Mapping[str, Any], number: int, port: int) -> AgentDescription:
    region, slash, zone = entry.get("domain", "").partition("/")
    resources = entry.get("resources")
    described = AgentDescription(
        entry["hostname"],
        address(number),
        port,
        attributes=parse_attributes(entry.get("attributes", "")),
        region=region if slash else None,
        zone=zone if slash else None,
        version=str(entry.get("version", VERSION)),
        capabilities=tuple(entry.get("capabilities", CAPABILITIES)),
        **({} if resources is None else {"resources": parse_resources(resources)}),
    )
    unknown = set(described.capabilities) - {*CAPABILITIES, "RESOURCE_PROVIDER"}
    if unknown:
        raise ValueError(f"there is no capability {unknown.pop()!r}")
    return described


def _in_turn(attributes: str, number: int) -> str:
    entries = (each.partition(":") for each in attributes.split(";"))
    return ";".join(f"{name}{colon}{_choose(value, number)}" for name, colon, value in entries)


def _choose(alternatives: str, number: int) -> str:
    choices = alternatives.split("|")
    return choices[(number - 1) % len(choices)]
