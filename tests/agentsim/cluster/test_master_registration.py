"""How agents register with a master (docs/master.md)."""

from __future__ import annotations

import time
from collections.abc import Callable

import requests
from agentsim.suite.hosts.processes import wait_until

from tests.support.cluster_operator import (
    drain,
    get,
    listed,
)
from tests.support.cluster_process import PATIENCE
from tests.support.hand_agent import HandAgent
from tests.support.master_clause import clause
from tests.support.tested_masters import MasterUnderTest

NewAgent = Callable[..., HandAgent]


@clause("AGENT-REG-2")
def test_an_agent_that_registers_again(master: MasterUnderTest, new_agent: NewAgent) -> None:
    agent = new_agent()
    first = agent.register()
    assert agent.register() == first
    agent.answers_pings = False  # else it would be connected again
    agent.break_connections()

    def inactive() -> bool:
        known = listed(master, agent)
        return known is not None and not known["active"]

    wait_until(inactive, PATIENCE, "its being inactive")
    agent.answers_pings = True
    second = agent.register()
    assert second != first
    assert first not in get(master, "/slaves").text


@clause("AGENT-REG-4")
def test_registrations_that_are_ignored(master: MasterUnderTest, new_agent: NewAgent) -> None:
    for version in ("0.28.0", "", "new"):
        agent = new_agent("ignored", version=version)
        assert agent.say_registration() == 202
    last = new_agent("taken")
    last.register()  # what was sent before has been looked at by now
    assert "ignored" not in get(master, "/slaves").text


@clause("AGENT-REG-5")
def test_an_agent_that_unregisters_is_removed_at_once(
    master: MasterUnderTest, new_agent: NewAgent
) -> None:
    agent = new_agent()
    agent.register()
    agent.unregister()
    wait_until(lambda: listed(master, agent) is None, PATIENCE, "its removal")
    assert drain(master, agent).text == "Unknown agent"


@clause("AGENT-REG-6")
def test_an_id_from_another_host_is_told_to_shut_down(
    master: MasterUnderTest, new_agent: NewAgent
) -> None:
    agent, other = new_agent("mine"), new_agent("thief")
    agent.register()
    assert other.say_registration(agent.id) == 202
    shutdown = other.await_("ShutdownMessage")
    assert "different IP / hostname" in shutdown.values["message"]
    known = listed(master, agent)
    assert known is not None
    assert known["hostname"] == "mine"


@clause("AGENT-REG-7")
def test_messages_are_taken_whatever_is_in_them(
    master: MasterUnderTest, new_agent: NewAgent
) -> None:
    agent = new_agent()
    assert agent.say("UnregisterSlaveMessage", {"slave_id": {"value": "nobody"}}) == 202
    assert agent.say("PongSlaveMessage", {}, "nobody") == 404


@clause("AGENT-PING-2")
def test_a_client_that_asks_without_end_keeps_no_agent_from_being_unreachable(
    master: MasterUnderTest, new_agent: NewAgent
) -> None:
    agents = [new_agent(f"silent-{number}") for number in range(5)]
    for agent in agents:  # in quick succession, so that their pings are due nearly together
        agent.register()
        agent.answers_pings = False
    end = time.monotonic() + PATIENCE
    with requests.Session() as session:
        while "silent-" in session.get(f"{master.url}/slaves").text:
            assert time.monotonic() < end, "some are still listed"
