"""An agent by hand: a test decides what it says, and sees what a master says to it.

It reads and writes the messages with code of its own, so that it can be used to judge both sides.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from agentsim.mesos.agent_description import AgentDescription
from agentsim.mesos.resources import parse_attributes
from agentsim.mesos.wire_format import decode, encode
from agentsim.suite.hosts.processes import wait_until

PATIENCE = 20.0


@dataclass(frozen=True)
class Received:
    """A message from a master."""

    name: str
    sender: str
    values: dict[str, Any]


@dataclass
class HandAgent:
    """The agent.

    Attributes:
        master: `<ip>:<port>`.
        answers_pings: whether it does.
        received: what has come, in order.
        id: what the last registration was answered with.
    """

    master: str
    description: AgentDescription
    listener: socket.socket
    answers_pings: bool = True
    received: list[Received] = field(default_factory=list)
    id: str = ""
    connections: list[socket.socket] = field(default_factory=list)

    @property
    def pid(self) -> str:
        return f"slave(1)@{self.description.ip}:{self.description.port}"

    # -- what it says -----------------------------------------------------------------------------

    def say(self, name: str, values: dict[str, Any], receiver: str = "master") -> int:
        """Send a message; the status of its answer."""
        body = encode(name, values)
        head = (
            f"POST /{receiver}/mesos.internal.{name} HTTP/1.1\r\nUser-Agent: libprocess/{self.pid}"
            f"\r\nLibprocess-From: {self.pid}\r\nConnection: Keep-Alive\r\nHost: {self.master}\r\n"
        )
        if body:
            head += "Transfer-Encoding: chunked\r\n"
        data = head.encode() + b"\r\n"
        if body:
            data += b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        host, _, port = self.master.partition(":")
        with socket.create_connection((host, int(port)), PATIENCE) as connection:
            connection.sendall(data)
            return int(connection.recv(65536).split()[1])

    def register(self, **changes: Any) -> str:
        """Register without an id; the id that it gets."""
        before = self.count("SlaveRegisteredMessage")
        self.say("RegisterSlaveMessage", self._registration(None, changes))
        self.await_("SlaveRegisteredMessage", before + 1)
        self.id = self.last("SlaveRegisteredMessage").values["slave_id"]["value"]
        return self.id

    def reregister(self, agent_id: str | None = None, **changes: Any) -> None:
        """Register with an id, and wait for the answer."""
        before = self.count("SlaveReregisteredMessage")
        self.say("ReregisterSlaveMessage", self._registration(agent_id or self.id, changes))
        self.await_("SlaveReregisteredMessage", before + 1)

    def say_registration(self, agent_id: str | None = None, **changes: Any) -> int:
        """Register and wait for nothing."""
        name = "RegisterSlaveMessage" if agent_id is None else "ReregisterSlaveMessage"
        return self.say(name, self._registration(agent_id, changes))

    def unregister(self) -> None:
        """Leave."""
        self.say("UnregisterSlaveMessage", {"slave_id": {"value": self.id}})

    def end_task(self, state: str) -> None:
        """Report a state of the task that was launched last."""
        task = self.last("RunTaskMessage").values["task"]
        framework = decode("FrameworkInfo", self.last("RunTaskMessage").values["framework"])
        uuid = bytes(16 - len(self.received)) + bytes(range(len(self.received) % 16))
        status = {
            "task_id": task["task_id"],
            "state": state,
            "slave_id": {"value": self.id},
            "timestamp": 1.0,
            "uuid": uuid[:16].ljust(16, b"u"),
        }
        update = {
            "framework_id": framework["id"],
            "slave_id": {"value": self.id},
            "status": status,
            "timestamp": 1.0,
            "uuid": status["uuid"],
        }
        self.say("StatusUpdateMessage", {"update": update, "pid": self.pid})

    def break_connections(self) -> None:
        """Break those that the master has made."""
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.connections.clear()

    def _registration(self, agent_id: str | None, changes: dict[str, Any]) -> dict[str, Any]:
        return {
            "slave": self.description.slave_info(agent_id),
            "version": self.description.version,
            "agent_capabilities": self.description.agent_capabilities(),
            **changes,
        }

    # -- what it hears ----------------------------------------------------------------------------

    def count(self, name: str) -> int:
        """How many messages of a kind have come."""
        return sum(each.name == name for each in self.received)

    def last(self, name: str) -> Received:
        """The last message of a kind."""
        return next(each for each in reversed(self.received) if each.name == name)

    def await_(self, name: str, count: int = 1) -> Received:
        """Wait until so many messages of a kind have come; the last one."""
        wait_until(lambda: self.count(name) >= count, PATIENCE, f"{count} {name}")
        return self.last(name)

    def _hear(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, ValueError):
            stream = connection.makefile("rb")
            while line := stream.readline():
                path = line.split()[1].decode()
                headers = {}
                while (line := stream.readline().strip()) and b":" in line:
                    name, _, value = line.partition(b":")
                    headers[name.lower()] = value.strip()
                body = b""
                if headers.get(b"transfer-encoding") == b"chunked":
                    while size := int(stream.readline(), 16):
                        body += stream.read(size)
                        stream.readline()
                    stream.readline()
                else:
                    body = stream.read(int(headers.get(b"content-length", b"0")))
                connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
                self._take(path, headers.get(b"libprocess-from", b"").decode(), body)

    def _take(self, path: str, sender: str, body: bytes) -> None:
        receiver, _, name = path[1:].partition("/")
        assert receiver == "slave(1)", path
        kind = name.removeprefix("mesos.internal.")
        self.received.append(Received(kind, sender, decode(kind, body)))
        if kind == "PingSlaveMessage" and self.answers_pings:
            with suppress(OSError):
                self.say("PongSlaveMessage", {}, sender.partition("@")[0])


@contextmanager
def hand_agent(
    master: str, hostname: str, ip: str, attributes: str = "", **description: Any
) -> Iterator[HandAgent]:
    """An agent that listens at an address until the end of the block, and says nothing yet.

    Args:
        master: `<ip>:<port>`.
        description: more of its `AgentDescription`.
    """
    listener = socket.create_server((ip, 0))
    port = listener.getsockname()[1]
    described = AgentDescription(
        hostname, ip, port, attributes=parse_attributes(attributes), **description
    )
    agent = HandAgent(master, described, listener)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            agent.connections.append(connection)
            threading.Thread(target=agent._hear, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield agent
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        agent.break_connections()
