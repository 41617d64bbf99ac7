"""Agents of a simulated cluster fail on purpose, the same ones for the same seed."""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from agentsim.cluster.faults import KINDS, BadFault, Fault, parse_fault, select
from agentsim.mesos.agent_description import AgentDescription
from agentsim.mesos.resources import parse_attributes

from tests.support.cluster_process import ClusterProcess, cluster_process
from tests.support.shell_table import shell_table

FAST = "--time-scale=0.02"


@dataclass(frozen=True)
class Chosen:
    number: int
    description: AgentDescription


def _agents(count: int) -> list[Chosen]:
    return [
        Chosen(
            number,
            AgentDescription(
                f"h{number}",
                f"127.1.0.{number}",
                1,
                attributes=parse_attributes(f"role:{'web' if number % 2 else 'db'}"),
                region="eu",
                zone=f"z{number % 3}",
            ),
        )
        for number in range(1, count + 1)
    ]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("3", [3]),
        ("3-5", [3, 4, 5]),
        ("h7,2", [2, 7]),
        ("role=db", [2, 4, 6, 8, 10]),
        ("zone=z0", [3, 6, 9]),
        ("*", list(range(1, 11))),
        ("100%", list(range(1, 11))),
    ],
)
def test_agents_are_chosen(text: str, numbers: list[int]) -> None:
    assert [each.number for each in select(_agents(10), text, "0")] == numbers


def test_a_share_is_drawn_from_the_seed() -> None:
    agents = _agents(100)
    drawn = [tuple(each.number for each in select(agents, "20%", seed)) for seed in "0012"]
    assert [len(each) for each in drawn] == [20] * 4
    assert drawn[0] == drawn[1] != drawn[2]
    random.seed(5)  # of nobody's concern
    assert tuple(each.number for each in select(agents, "20%", "0")) == drawn[0]


@pytest.mark.parametrize("text", ["11", "h0", "role=no", "0%", "", "101-", "x%"])
def test_agents_that_are_not_there(text: str) -> None:
    with pytest.raises(BadFault):
        select(_agents(10), text, "0")


def test_every_kind_can_be_named() -> None:
    for kind, amount in KINDS.items():
        assert parse_fault(f"{kind}:*") == Fault(kind, amount, "*")


@pytest.mark.parametrize(
    "text", ["slow", "slow:", "no:1", "hang=1:1", "slow=x:1", "slow=0:1", "cut=-1:1", "delay=nan:1"]
)
def test_faults_that_are_none(text: str) -> None:
    with pytest.raises(BadFault, match=re.escape(repr(text))):
        parse_fault(text)


def _table(directory: Path) -> Path:
    script = 'case $1 in work) sleep 30;; *) echo "{}";; esac'
    return shell_table(
        directory,
        script,
        {"path": "/one", "response": {"type": "text/plain"}, "realm": "mesos-agent-readonly"},
        {"path": "/work", "method": "POST", "response": {"delivery": "stream"}},
    )


def _get(cluster: ClusterProcess, number: int, path: str = "/t/one") -> requests.Response:
    address = cluster.agents()[number - 1]["address"]
    return requests.get(f"http://{address}{path}", timeout=20)


def test_a_machine_dies_and_comes_back(tmp_path: Path) -> None:
    with cluster_process(tmp_path, str(_table(tmp_path)), "--agents=3", FAST) as cluster:
        cluster.wait(lambda: cluster.active() == 3, "3 active agents")
        before = {name: each["id"] for name, each in cluster.slaves().items()}
        assert cluster.tell("inject", fault="unreachable:1,2").ok
        with pytest.raises(requests.ConnectionError):
            _get(cluster, 1)
        cluster.wait(lambda: list(cluster.slaves()) == ["sim-0003"], "their being unreachable")
        assert cluster.tell("inject", fault="return:1").ok
        assert cluster.tell("inject", fault="return-new:2").ok
        cluster.wait(lambda: cluster.active() == 3, "their return")
        after = {name: each["id"] for name, each in cluster.slaves().items()}
        assert after["sim-0001"] == before["sim-0001"]
        assert after["sim-0002"] != before["sim-0002"]
        assert _get(cluster, 2).text == "{}\n"


def test_an_agent_dies_in_mid_command(tmp_path: Path) -> None:
    with cluster_process(tmp_path, str(_table(tmp_path)), "--agents=1", FAST) as cluster:
        cluster.wait(lambda: cluster.active() == 1, "the agent")
        assert cluster.tell("inject", fault="die=0.2:*").ok
        address = cluster.agents()[0]["address"]
        with pytest.raises(requests.ConnectionError):
            requests.post(f"http://{address}/t/work", timeout=20)
        cluster.wait(lambda: cluster.slaves() == {}, "its being unreachable")
        assert cluster.agents()[0]["power"] == "off"


def test_an_agent_restarts_itself_and_keeps_its_id(tmp_path: Path) -> None:
    with cluster_process(tmp_path, "--agents=1", FAST) as cluster:
        cluster.wait(lambda: cluster.active() == 1, "the agent")
        known = cluster.slaves()["sim-0001"]
        assert cluster.tell("inject", fault="restart=0.1:1").ok
        cluster.wait(
            lambda: cluster.slaves().get("sim-0001", {}).get("reregistered_time"), "its return"
        )
        assert cluster.slaves()["sim-0001"]["id"] == known["id"]


def test_two_agents_of_one_name_and_address(tmp_path: Path) -> None:
    with cluster_process(tmp_path, str(_table(tmp_path)), "--agents=1", FAST) as cluster:
        cluster.wait(lambda: cluster.active() == 1, "the agent")
        assert cluster.tell("inject", fault="twin:1").ok
        listing = f"{cluster.masters[0]}/slaves"

        def both() -> list[str]:
            found = requests.get(listing, timeout=20).json()["slaves"]
            return [each["pid"] for each in found if each["hostname"] == "sim-0001"]

        cluster.wait(lambda: len(both()) == 2, "the twin")
        addresses = {pid.partition("@")[2] for pid in both()}
        assert {each.partition(":")[0] for each in addresses} == {"127.1.0.1"}
        for address in addresses:
            assert requests.get(f"http://{address}/t/one", timeout=20).text == "{}\n"


def test_routes_of_some_agents_fail(tmp_path: Path) -> None:
    faults = ("--inject=busy:1", "--inject=refuse:2", "--inject=cut=3:3", "--inject=delay=0.3:4")
    with cluster_process(tmp_path, str(_table(tmp_path)), "--agents=5", FAST, *faults) as cluster:
        assert _get(cluster, 1).status_code == 503
        assert _get(cluster, 2).status_code == 401
        with pytest.raises(requests.ConnectionError):
            _get(cluster, 3)
        started = time.monotonic()
        assert _get(cluster, 4).text == "{}\n"
        assert time.monotonic() - started >= 0.3
        assert _get(cluster, 5).text == "{}\n"
        assert cluster.tell("inject", fault="return:*").ok
        assert [_get(cluster, number).status_code for number in range(1, 6)] == [200] * 5


def test_what_a_cluster_can_t_be_told(tmp_path: Path) -> None:
    with cluster_process(tmp_path, "--agents=1", FAST) as cluster:
        for path, query in (
            ("inject", {}),
            ("inject", {"fault": "no:1"}),
            ("inject", {"fault": "hang:2"}),
            ("tasks", {"act": "launch"}),
            ("tasks", {"act": "launch", "agents": "1", "end": "soon"}),
            ("masters", {"act": "kill", "number": "2"}),
            ("masters", {"act": "start", "number": "1"}),
            ("schedule", {"agents": "nobody"}),
        ):
            assert cluster.tell(path, **query).status_code == 400, (path, query)
        assert cluster.ask("GET", "/cluster/inject?fault=hang:1").status_code == 405
        other = {"Sec-Fetch-Site": "cross-site"}
        told = cluster.ask("POST", "/cluster/inject?fault=hang:1", headers=other)
        assert told.status_code == 403
        rebound = cluster.ask("GET", "/cluster/agents.json", headers={"Host": "evil.example"})
        assert rebound.status_code == 403


def test_a_scheduled_agent_is_not_drained(tmp_path: Path) -> None:
    with cluster_process(tmp_path, "--agents=1", FAST) as cluster:
        cluster.wait(lambda: cluster.active() == 1, "the agent")
        assert cluster.tell("schedule", agents="1").ok
        status = requests.get(f"{cluster.masters[0]}/maintenance/status", timeout=20).json()
        machine = {"hostname": "sim-0001", "ip": "127.1.0.1"}
        assert status == {"draining_machines": [{"id": machine}]}
        from tests.support.cluster_process import call

        known = cluster.slaves()["sim-0001"]["id"]
        refused = call(cluster.masters[0], "DRAIN_AGENT", agent_id={"value": known})
        assert refused.status_code == 400
        assert "is part of a maintenance schedule" in refused.text
