"""A connection on which other actors send messages: many of them, always in the same form.

A cluster of thousands of agents is mostly pings and their answers. What arrives in the very form in
which libprocess writes messages, complete, and while nothing else is under way on the connection,
is read in one step and answered; everything else goes the way of every request, with the same end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from agentsim.mesos.actor_message import Pid, parse_pid
from agentsim.simulator.connection import Connection, Server
from agentsim.wire.response_encoding import with_body

_HEAD: Final = re.compile(
    rb"POST /([a-z0-9()-]{1,64})/mesos\.internal\.([A-Za-z]{1,64}) HTTP/1\.1\r\n"
    rb"User-Agent: libprocess/[!-~]{1,128}\r\n"
    rb"Libprocess-From: ([!-~]{1,128})\r\n"
    rb"Connection: Keep-Alive\r\n"
    rb"Host: [!-~]{1,128}\r\n"
    rb"(?:\r\n|Transfer-Encoding: chunked\r\n\r\n([0-9a-f]{1,6})\r\n)"
)
_CHUNK_END: Final = b"\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Message:
    """A message: to whom, of what kind, from whom."""

    receiver: str
    name: str
    sender: Pid | None
    body: bytes


class MessageServer(Server, Protocol):
    """A server that takes messages."""

    def take_message(self, message: Message) -> bool:
        """Take a message; whether its receiver is here."""


def split_messages(data: bytes) -> Iterator[tuple[Message, int]]:
    """The messages that data begins with, each with the place behind it."""
    position = 0
    while (match := _HEAD.match(data, position)) is not None:
        receiver, name, sender, size = match.groups()
        position = match.end()
        body = b""
        if size is not None:
            end = position + int(size, 16)
            if not int(size, 16) or data[end : end + len(_CHUNK_END)] != _CHUNK_END:
                return  # not all of it is here, or in another form
            body = data[position:end]
            position = end + len(_CHUNK_END)
        pid = parse_pid(sender.decode())
        yield Message(receiver.decode(), name.decode(), pid, body), position


class MessageConnection(Connection):
    """The event loop's side of such a connection."""

    def __init__(self, server: MessageServer) -> None:
        super().__init__(server)
        self._mail_server = server

    def data_received(self, data: bytes) -> None:
        taken = 0
        if self.at_rest:
            for message, end in split_messages(data):
                if not self._mail_server.take_message(message):
                    break
                self.send_at_rest(with_body(202, [("Content-Length", "0")], b"", {}))
                taken = end
                if not self.at_rest:
                    break  # what is left waits as every request does
        if taken < len(data) and not self.closed:
            super().data_received(data[taken:])
