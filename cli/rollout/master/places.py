"""Where masters are, and whom of them may be believed. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from packager.base.errors import ProtocolError, UsageError

NODE = re.compile(r"json\.info_([0-9]{10})")
DEFAULT_PORT = 5050


@dataclass(frozen=True)
class MasterPlace:
    """A master: scheme, host and port. Its URL is the beginning of all that it is asked for."""

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.netloc}"

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class ElectionPlace:
    """Where the masters have their election: ZooKeeper's servers, and the path there."""

    hosts: str
    path: str


def parse_masters(masters: Iterable[str]) -> tuple[MasterPlace, ...] | ElectionPlace:
    """What a strategy's `masters` mean. Raises UsageError."""
    given = tuple(masters)
    if len(given) == 1 and given[0].startswith("zk://"):
        hosts, _, path = given[0].removeprefix("zk://").partition("/")
        return ElectionPlace(hosts, "/" + path.strip("/"))
    return tuple(_place(each) for each in given)


def named(location: str, asked: MasterPlace, masters: Iterable[MasterPlace]) -> MasterPlace:
    """The master that a redirect of `asked` leads to. Raises ProtocolError if nobody has named it:
    what we send there has our credentials in it."""
    try:
        found = _place(f"{asked.scheme}:{location}" if location.startswith("//") else location)
    except UsageError:
        found = None
    if found is None or found not in tuple(masters):
        shown = location[:200] if location.isprintable() else ascii(location[:200])
        raise ProtocolError(
            f"the master {asked} says that {shown} leads, which is none of the masters that were "
            "named: name all of them, as they call themselves, if it is one"
        )
    return found


def elected(nodes: Mapping[str, bytes], scheme: str) -> tuple[MasterPlace, ...]:
    """The masters in an election, by the names and contents of its nodes; the leader first. Raises
    ProtocolError."""
    numbers = {found[1]: name for name in nodes if (found := NODE.fullmatch(name))}
    try:
        return tuple(_announced(nodes[numbers[each]], scheme) for each in sorted(numbers))
    except (ValueError, KeyError, TypeError) as error:
        raise ProtocolError(f"what a master says of itself in ZooKeeper: {error}") from None


def _announced(content: bytes, scheme: str) -> MasterPlace:
    address = json.loads(content)["address"]
    host = address.get("hostname") or address["ip"]
    if not isinstance(host, str) or not isinstance(address["port"], int):
        raise TypeError("its address is none")
    return _place(f"{scheme}://{host if ':' not in host else f'[{host}]'}:{address['port']}")


def _place(url: str) -> MasterPlace:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError(f"{url[:200]!r} is not the URL of a master") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise UsageError(f"{url[:200]!r} is not the URL of a master")
    return MasterPlace(parts.scheme, parts.hostname, port or DEFAULT_PORT)
