"""Messages between actors as libprocess puts them on a connection: a POST for each.

Source: libprocess `encoder.hpp` (`MessageEncoder`), `decoder.hpp`, `pid.cpp`; the order of the
headers was seen on the wire.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from agentsim.core.percent_encoding import unescape
from agentsim.wire.request_parser import Request

#: What the names of Mesos's own messages begin with.
PREFIX: Final = "mesos.internal."

_PID = re.compile(r"(?P<id>[^@/\s]+)@(?P<ip>[0-9]{1,3}(?:\.[0-9]{1,3}){3}):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Pid:
    """The address of an actor: `<id>@<ip>:<port>`."""

    id: str
    ip: str
    port: int

    def __str__(self) -> str:
        return f"{self.id}@{self.ip}:{self.port}"

    @property
    def authority(self) -> str:
        """Where to connect to, as `<ip>:<port>`."""
        return f"{self.ip}:{self.port}"


def parse_pid(text: str) -> Pid | None:
    """The pid that a text stands for, None if it stands for none."""
    match = _PID.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 65536:
        return None
    if any(int(part) > 255 for part in match["ip"].split(".")):
        return None
    return Pid(match["id"], match["ip"], int(match["port"]))


def frame(sender: Pid, receiver: Pid, name: str, body: bytes) -> bytes:
    """The request that carries a message.

    Args:
        sender, receiver: of the message.
        name: its kind, without `PREFIX`.
        body: the message itself.
    """
    head = (
        f"POST /{receiver.id}/{PREFIX}{name} HTTP/1.1\r\n"
        f"User-Agent: libprocess/{sender}\r\n"
        f"Libprocess-From: {sender}\r\n"
        "Connection: Keep-Alive\r\n"
        f"Host: {receiver.authority}\r\n"
    ).encode()
    if not body:
        return head + b"\r\n"
    return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def sender_of(request: Request) -> Pid | None:
    """Who has sent a message, None if it does not say, or says it in no form that is one."""
    headers = request.headers
    text = headers.get(b"libprocess-from")
    if text is None:
        text = headers.get(b"user-agent", b"").removeprefix(b"libprocess/")
    return parse_pid(text.decode("latin-1"))


def receiver_of(request: Request) -> bytes | None:
    """The id of the actor that a message is for, None if its path can't be decoded."""
    return unescape(request.path[1:].partition(b"/")[0].replace(b"+", b" "))


def name_of(request: Request) -> str:
    """The kind of a message, without `PREFIX`."""
    return request.path[1:].partition(b"/")[2].decode("latin-1").removeprefix(PREFIX)
