"""What a master lists, and who leads (docs/master.md)."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import requests
from agentsim.suite.hosts.processes import wait_until

from tests.support.cluster_operator import (
    get,
    listed,
    make_unreachable,
    of,
)
from tests.support.cluster_process import PATIENCE, call
from tests.support.hand_agent import HandAgent
from tests.support.master_clause import clause
from tests.support.tested_masters import MasterUnderTest

NewAgent = Callable[..., HandAgent]


@clause("MASTER-LIST-1")
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_agents_are_listed_whatever_the_method(master: MasterUnderTest, method: str) -> None:
    for path in ("/slaves", "/master/slaves", "/slaves/"):
        answer = requests.request(method, master.url + path, timeout=PATIENCE)
        assert answer.status_code == 200
        assert list(answer.json()) == ["slaves", "recovered_slaves"]


@clause("MASTER-LIST-2", "AGENT-REG-1", "AGENT-PING-1")
def test_a_registered_agent_is_listed_with_what_it_told(
    master: MasterUnderTest, new_agent: NewAgent
) -> None:
    agent = new_agent("told", attributes="role:web;slots:[1-4]", region="eu", zone="z1")
    identity = get(master, "/state").json()["id"]
    assert re.fullmatch(rf"{identity}-S\d+", agent.register())
    ping = agent.await_("PingSlaveMessage")
    assert re.fullmatch(r"slave-observer\(\d+\)@127\.0\.0\.1:\d+", ping.sender)
    assert ping.values == {"connected": True}
    registered = agent.last("SlaveRegisteredMessage")
    assert registered.sender.startswith("master@")
    assert registered.values["connection"]["total_ping_timeout_seconds"] > 0
    known = listed(master, agent)
    assert known is not None
    assert known["hostname"] == "told"
    assert known["pid"] == agent.pid
    assert known["port"] == agent.description.port
    assert known["attributes"] == {"role": "web", "slots": "[1-4]"}
    assert known["domain"] == {"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "z1"}}}
    assert (known["active"], known["deactivated"]) == (True, False)
    assert known["version"] == agent.description.version
    assert known["capabilities"] == list(agent.description.capabilities)
    assert known["resources"]["cpus"] == 2.0
    assert known["registered_time"] > 1e9


@clause("MASTER-LIST-3")
def test_one_agent_is_asked_for(master: MasterUnderTest, new_agent: NewAgent) -> None:
    first, second = new_agent("one"), new_agent("two")
    first.register()
    second.register()
    found = get(master, f"/slaves?slave_id={second.id}").json()["slaves"]
    assert [each["hostname"] for each in found] == ["two"]
    assert get(master, "/slaves?slave_id=nobody").json()["slaves"] == []


@clause("MASTER-LIST-4", "AGENT-PING-3", "AGENT-REG-3")
def test_a_disconnected_agent_is_listed_and_asked_to_come_back(
    master: MasterUnderTest, new_agent: NewAgent
) -> None:
    agent = new_agent()
    agent.register()
    agent.await_("PingSlaveMessage")
    agent.break_connections()

    def inactive() -> bool:
        known = listed(master, agent)
        return known is not None and not known["active"] and not known["deactivated"]

    wait_until(inactive, PATIENCE, "its being inactive")
    wait_until(
        lambda: agent.last("PingSlaveMessage").values == {"connected": False}, PATIENCE, "the ping"
    )
    agent.reregister()
    assert agent.last("SlaveReregisteredMessage").values["slave_id"] == of(agent)
    known = listed(master, agent)
    assert known is not None
    assert known["active"]
    assert "reregistered_time" in known


@clause("MASTER-LIST-5", "AGENT-PING-2")
def test_an_unreachable_agent_is_in_no_list_until_it_comes_back(
    master: MasterUnderTest, new_agent: NewAgent
) -> None:
    agent = new_agent("silent")
    agent.register()
    make_unreachable(master, agent)
    assert agent.id not in get(master, "/slaves").text
    assert agent.id not in call(master.url, "GET_AGENTS").text
    agent.reregister()
    known = listed(master, agent)
    assert known is not None
    assert known["active"]


@clause("MASTER-LIST-6")
def test_long_listings_are_compressed(master: MasterUnderTest, new_agent: NewAgent) -> None:
    new_agent().register()
    answer = get(master, "/slaves", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert (
        "Content-Encoding"
        not in get(master, "/slaves", headers={"Accept-Encoding": "identity"}).headers
    )


@clause("MASTER-LEAD-1", "MASTER-LEAD-2", "MASTER-LEAD-3", "MASTER-LEAD-4")
def test_the_leader_says_that_it_leads(master: MasterUnderTest) -> None:
    authority = master.url.removeprefix("http://")
    health = get(master, "/health")
    assert (health.status_code, health.content) == (200, b"")
    redirect = get(master, "/redirect")
    assert (redirect.status_code, redirect.headers["Location"]) == (307, f"//{authority}")
    assert call(master.url, "GET_HEALTH").json()["get_health"] == {"healthy": True}
    info = call(master.url, "GET_MASTER").json()["get_master"]["master_info"]
    assert info["pid"] == f"master@{authority}"
    assert f"{info['hostname']}:{info['port']}" == authority
    assert info["id"]
    assert info["version"]
