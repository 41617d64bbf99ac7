"""Messages are byte for byte those of a real agent, and no bytes make a reader fail otherwise."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest
from agentsim.mesos.actor_message import Pid, frame, parse_pid
from agentsim.mesos.agent_description import AgentDescription
from agentsim.mesos.descriptions import MESSAGES
from agentsim.mesos.json_format import Inconvertible, from_json
from agentsim.mesos.membership import Membership
from agentsim.mesos.resources import BadDescription, parse_attributes, parse_resources
from agentsim.mesos.wire_format import Undecodable, decode, encode
from agentsim.run.spool import Spool
from agentsim.simulator.connection import Connection
from agentsim.simulator.exchange import Exchange, TextExchange
from agentsim.simulator.idle_connections import IdleConnections
from agentsim.simulator.message_connection import Message, MessageConnection, split_messages
from agentsim.wire.request_parser import Request
from hypothesis import given
from hypothesis import strategies as st

# Seen on the wire between agents and a Mesos master 1.12.
REGISTER = bytes.fromhex(
    "0aaf010a0873696d2d303030311a160a046370757310001a0909000000000000004032012a1a150a036d656d1000"
    "1a0909000000000000904032012a1a160a046469736b10001a0909000000000000b04032012a1a180a05706f7274"
    "731001220a0a080898f2011080fa0132012a2a0f0a04726f6c6510032a050a037765622a0e0a047261636b10032a"
    "040a0272302a0c0a0373696d10032a030a0131380140df75520e0a0c0a040a02657512040a027a301206312e3131"
    "2e3022020801220208022202080322020805220208062202080722020808"
)
VERSION_UUID = bytes.fromhex("a1c134df449f45aebd75772d1f83cc60")
MASTER = Pid("master", "127.0.0.1", 15060)
AGENT_ID = "f3e3e9a3-0000-4000-8000-000000000000-S0"


class Drawn(Random):
    def randbytes(self, n: int) -> bytes:
        return VERSION_UUID[:n]


def member() -> Membership:
    description = AgentDescription(
        "sim-0001",
        "127.1.0.1",
        15071,
        attributes=parse_attributes("role:web;rack:r0;sim:1"),
        region="eu",
        zone="z0",
        version="1.11.0",
    )
    return Membership(description, Drawn(1), lambda: 1.0)


def test_a_registration_is_what_a_master_was_seen_to_take() -> None:
    agent = member()
    agent.leader(MASTER, 0.0)
    assert agent.due is not None
    assert 0 <= agent.due <= 1
    (sent,) = agent.tick(1.0)
    assert (sent.receiver, sent.name) == (MASTER, "RegisterSlaveMessage")
    # Attributes of digits only are numbers in the agent's own option.
    expected = decode("RegisterSlaveMessage", REGISTER)
    expected["slave"]["attributes"][2] = parse_attributes("sim:1")[0]
    expected["resource_version_uuid"] = {"value": VERSION_UUID}
    assert sent.body == encode("RegisterSlaveMessage", expected)


def test_recorded_messages_read_and_write_the_same() -> None:
    assert encode("RegisterSlaveMessage", decode("RegisterSlaveMessage", REGISTER)) == REGISTER
    assert encode("PingSlaveMessage", {"connected": True}) == bytes.fromhex("0801")
    assert encode("PingSlaveMessage", {"connected": False}) == bytes.fromhex("0800")
    drain = {"config": {"max_grace_period": {"nanoseconds": 30 * 10**9}, "mark_gone": False}}
    assert encode("DrainSlaveMessage", drain) == bytes.fromhex("0a0a0a060880d88ee16f1000")
    gone = {"config": {"mark_gone": True}}
    assert encode("DrainSlaveMessage", gone) == bytes.fromhex("0a021001")


def test_the_answer_to_a_ping_byte_for_byte() -> None:
    agent = member()
    agent.leader(MASTER, 0.0)
    observer = Pid("slave-observer(1)", "127.0.0.1", 15060)
    (pong,) = agent.receive("PingSlaveMessage", observer, bytes.fromhex("0801"), 0.0)
    assert frame(agent.pid, pong.receiver, pong.name, pong.body) == (
        b"POST /slave-observer(1)/mesos.internal.PongSlaveMessage HTTP/1.1\r\n"
        b"User-Agent: libprocess/slave(1)@127.1.0.1:15071\r\n"
        b"Libprocess-From: slave(1)@127.1.0.1:15071\r\nConnection: Keep-Alive\r\n"
        b"Host: 127.0.0.1:15060\r\n\r\n"
    )


def registered(agent: Membership, now: float) -> None:
    agent.leader(MASTER, now)
    list(agent.tick(now + 1))
    answer = {"slave_id": {"value": AGENT_ID}, "connection": {"total_ping_timeout_seconds": 3.0}}
    body = encode("SlaveRegisteredMessage", answer)
    (update,) = agent.receive("SlaveRegisteredMessage", MASTER, body, now + 1)
    assert update.name == "UpdateSlaveMessage"


def test_attempts_become_rarer_until_one_is_answered() -> None:
    agent = member()
    agent.leader(MASTER, 0.0)
    now, waits = 0.0, []
    for _ in range(40):
        assert agent.due is not None
        waits.append(agent.due - now)
        now = agent.due
        assert [each.name for each in agent.tick(now)] == ["RegisterSlaveMessage"]
    assert all(wait <= 2.0 ** max(0, n - 1) for n, wait in enumerate(waits))
    assert 10 < max(waits) <= 60


def test_an_agent_that_hears_no_ping_registers_anew_with_its_id() -> None:
    agent = member()
    registered(agent, 0.0)
    assert agent.due == 4.0
    assert list(agent.tick(3.9)) == []
    list(agent.tick(4.0))
    assert agent.due is not None
    (again,) = agent.tick(5.0)
    assert again.name == "ReregisterSlaveMessage"
    assert decode("ReregisterSlaveMessage", again.body)["slave"]["id"] == {"value": AGENT_ID}


def test_only_the_master_is_obeyed() -> None:
    agent = member()
    registered(agent, 0.0)
    stranger = Pid("master", "127.0.0.9", 1)
    shutdown = encode("ShutdownMessage", {"message": "so says a stranger"})
    assert list(agent.receive("ShutdownMessage", stranger, shutdown, 2.0)) == []
    assert agent.ended_by is None
    ping = encode("PingSlaveMessage", {"connected": True})
    assert list(agent.receive("PingSlaveMessage", stranger, ping, 2.0)) == []
    list(agent.receive("ShutdownMessage", MASTER, shutdown, 2.0))
    assert agent.ended_by == "so says a stranger"


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(0, 2000), st.binary(max_size=9))
def test_messages_are_read_in_one_step_as_far_as_they_are_whole(
    bodies: list[bytes], cut: int, tail: bytes
) -> None:
    sender = Pid("slave(1)", "127.0.0.1", 5051)
    frames = [frame(sender, MASTER, "PongSlaveMessage", body) for body in bodies]
    data = b"".join(frames)[:cut] + tail
    whole, end = 0, 0
    for each in frames:
        if not data.startswith(each, end):
            break
        whole, end = whole + 1, end + len(each)
    found = list(split_messages(data))
    assert [message.body for message, _ in found[:whole]] == bodies[:whole]
    assert len(found) == whole
    assert [position for _, position in found[-1:]] == [end][:whole]
    assert all(message.sender == sender and message.receiver == "master" for message, _ in found)


class Hearing:
    """A server that takes messages, and the paths of what came as requests."""

    head_seconds = 60.0

    def __init__(self, loop: asyncio.AbstractEventLoop, spool: Path) -> None:
        self.loop = loop
        self.connections: set[Connection] = set()
        self.idle = IdleConnections(lambda _: None, lambda: 0)
        self.spool = Spool(spool, 1 << 20)
        self.heard: list[bytes] = []
        self.requested: list[bytes] = []

    def take_message(self, message: Message) -> bool:
        self.heard.append(message.body)
        return True

    def exchange(self, connection: Connection, request: Request) -> Exchange:
        self.requested.append(request.path)
        return TextExchange(connection, request, 202, "")

    def exchange_ended(self, exchange: Exchange, gone: bool) -> None: ...


class FullTransport(asyncio.Transport):
    """Has enough after each write."""

    def __init__(self, protocol: MessageConnection) -> None:
        super().__init__()
        self._protocol = protocol

    def write(self, data: object) -> None:
        self._protocol.pause_writing()

    def set_write_buffer_limits(self, high: object = None, low: object = None) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False


def test_no_message_is_lost_behind_one_whose_answer_is_not_taken(tmp_path: Path) -> None:
    sender = Pid("slave(1)", "127.0.0.1", 5051)
    frames = [frame(sender, MASTER, "PongSlaveMessage", body) for body in (b"one", b"two")]
    loop = asyncio.new_event_loop()
    try:
        server = Hearing(loop, tmp_path)
        connection = MessageConnection(server)
        connection.connection_made(FullTransport(connection))
        connection.data_received(b"".join(frames))
        assert server.heard == [b"one"]
        assert server.requested == [b"/master/mesos.internal.PongSlaveMessage"]
    finally:
        loop.close()


@given(st.sampled_from(sorted(MESSAGES)), st.binary(max_size=64))
def test_no_bytes_make_the_reader_fail_otherwise(name: str, data: bytes) -> None:
    try:
        values = decode(name, data)
    except Undecodable:
        return
    assert decode(name, encode(name, values)) == values


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("type", "drain_agent", "agent_id", "value", "max_grace_period", "x")),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_json_makes_a_call_fail_otherwise(document: object) -> None:
    try:
        values = from_json("Call", document)
    except Inconvertible:
        return
    encode("Call", values)


@pytest.mark.parametrize("text", ["cpus", "cpus:x", "ports:[2-1]", ":1", "cpus(role):1"])
def test_resources_that_are_none(text: str) -> None:
    with pytest.raises(BadDescription):
        parse_resources(text)


def test_a_set_is_no_attribute() -> None:
    with pytest.raises(BadDescription, match="set"):
        parse_attributes("zone:{a,b}")


@pytest.mark.parametrize(
    "text", ["", "a", "a@1.2.3.4", "a@1.2.3.4:0", "a@1.2.3.999:1", "a b@::1:1"]
)
def test_pids_that_are_none(text: str) -> None:
    assert parse_pid(text) is None


def test_a_pid() -> None:
    assert parse_pid("slave(1)@127.0.0.1:5051") == Pid("slave(1)", "127.0.0.1", 5051)
