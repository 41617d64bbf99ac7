"""Draining, deactivating, reactivating, and what of it outlives a restart (docs/master.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from agentsim.mesos.wire_format import encode
from agentsim.suite.hosts.processes import wait_until

from tests.support.cluster_operator import (
    deactivate,
    drain,
    drained,
    get,
    listed,
    make_unreachable,
    of,
    reactivate,
)
from tests.support.cluster_process import PATIENCE, call
from tests.support.hand_agent import HandAgent
from tests.support.master_clause import clause
from tests.support.tested_masters import MasterUnderTest

NewAgent = Callable[..., HandAgent]
#: A master aborts over a task's resources that are allocated to no role.
TASK_RESOURCES = [
    {
        "name": "cpus",
        "type": "SCALAR",
        "scalar": {"value": 0.1},
        "role": "*",
        "allocation_info": {"role": "*"},
    }
]


@clause("MASTER-DRAIN-1", "MASTER-DRAIN-4", "MASTER-ACTIVE-2")
def test_an_agent_without_tasks_is_drained_at_once(
    master: MasterUnderTest, new_agent: NewAgent
) -> None:
    agent = new_agent()
    agent.register()
    assert drain(master, agent).status_code == 200
    agent.await_("DrainSlaveMessage")
    wait_until(lambda: drained(master, agent), PATIENCE, "its being drained")
    known = listed(master, agent)
    assert known is not None
    assert (known["active"], known["deactivated"]) == (False, True)
    assert drain(master, agent, max_grace_period={"seconds": 30}).status_code == 200
    known = listed(master, agent)
    assert known is not None
    config = known["drain_info"]["config"]
    assert config == {"max_grace_period": {"nanoseconds": 30 * 10**9}, "mark_gone": False}
    wait_until(lambda: drained(master, agent), PATIENCE, "its being drained again")
    assert reactivate(master, agent).status_code == 200
    known = listed(master, agent)
    assert known is not None
    assert (known["active"], known["deactivated"]) == (True, False)
    assert "drain_info" not in known


def report_task(agent: HandAgent) -> None:
    """Re-register with a task that runs, of a framework that only the agent knows."""
    framework = {"user": "root", "name": "of-the-tests", "id": {"value": "tests-0001"}}
    agent.reregister(
        frameworks=[encode("FrameworkInfo", framework)],
        tasks=[
            {
                "name": "t",
                "task_id": {"value": "t"},
                "framework_id": {"value": "tests-0001"},
                "slave_id": of(agent),
                "state": "TASK_RUNNING",
                "resources": TASK_RESOURCES,
            }
        ],
    )


@clause("MASTER-DRAIN-2", "MASTER-ACTIVE-3")
def test_an_agent_with_a_task_stays_draining(master: MasterUnderTest, new_agent: NewAgent) -> None:
    agent = new_agent()
    agent.register()
    # As after a failover: a master that has not known the agent takes its tasks from it.
    make_unreachable(master, agent)
    report_task(agent)
    assert drain(master, agent).status_code == 200
    known = listed(master, agent)
    assert known is not None
    assert known["drain_info"]["state"] == "DRAINING"
    refused = reactivate(master, agent)
    assert (refused.status_code, refused.text) == (400, "Agent is still in the DRAINING state")
    # It comes back without the task. A master that knows a task of a framework which only agents
    # have told of aborts when its agent forgets it, unless that was unreachable meanwhile.
    make_unreachable(master, agent)
    agent.reregister(tasks=[])
    wait_until(lambda: drained(master, agent), PATIENCE, "its being drained")


@clause("MASTER-DRAIN-3")
@pytest.mark.parametrize(
    ("grace", "config"),
    [
        ({"seconds": 10, "nanos": 500_000_000}, {"nanoseconds": 10_500_000_000}),
        ({"seconds": "10"}, {"nanoseconds": 10_000_000_000}),
        ({"seconds": 1.5}, {"nanoseconds": 1_000_000_000}),
        ({}, {"nanoseconds": 0}),
        ({"nanoseconds": 10_000_000_000}, {"nanoseconds": 0}),
        (None, None),
        ("10s", "refused"),
        (10, "refused"),
    ],
)
def test_how_a_grace_period_is_given(
    master: MasterUnderTest, new_agent: NewAgent, grace: Any, config: Any
) -> None:
    agent = new_agent()
    agent.register()
    answer = drain(master, agent, max_grace_period=grace)
    if config == "refused":
        assert answer.status_code == 400
        assert "Not expecting a JSON" in answer.text
        return
    assert answer.status_code == 200
    known = listed(master, agent)
    assert known is not None
    assert known["drain_info"]["config"].get("max_grace_period") == config


@clause("MASTER-DRAIN-5")
def test_an_old_agent_is_deactivated_but_not_drained(
    master: MasterUnderTest, new_agent: NewAgent
) -> None:
    agent = new_agent("old", capabilities=("MULTI_ROLE",), version="1.8.0")
    agent.register()
    refused = drain(master, agent)
    assert refused.status_code == 400
    assert refused.text == f"Agent {agent.id} is not capable of draining"
    assert deactivate(master, agent).status_code == 200
    assert reactivate(master, agent).status_code == 200


@clause("MASTER-DRAIN-6")
def test_calls_about_an_unknown_agent(master: MasterUnderTest) -> None:
    for kind in ("DRAIN_AGENT", "DEACTIVATE_AGENT"):
        answer = call(master.url, kind, agent_id={"value": "nobody"})
        assert (answer.status_code, answer.text) == (400, "Unknown agent")


@clause("MASTER-DRAIN-7", "MASTER-ACTIVE-4")
def test_what_is_done_to_an_unreachable_agent(master: MasterUnderTest, new_agent: NewAgent) -> None:
    agent = new_agent()
    agent.register()
    make_unreachable(master, agent)
    assert deactivate(master, agent).status_code == 200
    undone = reactivate(master, agent)
    assert (undone.status_code, undone.text) == (409, "Agent removed while processing the call")
    again = reactivate(master, agent)
    assert (again.status_code, again.text) == (400, "Agent is not deactivated")
    assert drain(master, agent).status_code == 200
    agent.reregister()
    agent.await_("DrainSlaveMessage")
    wait_until(lambda: drained(master, agent), PATIENCE, "its being drained")


@clause("MASTER-DRAIN-8")
def test_an_agent_that_is_marked_gone(master: MasterUnderTest, new_agent: NewAgent) -> None:
    agent = new_agent()
    agent.register()
    assert drain(master, agent, mark_gone=True).status_code == 200
    wait_until(lambda: listed(master, agent) is None, PATIENCE, "its being gone")
    assert agent.say_registration(agent.id) == 202
    shutdown = agent.await_("ShutdownMessage")
    assert shutdown.values == {"message": "Agent has been marked gone"}


@clause("MASTER-ACTIVE-1", "MASTER-ACTIVE-2", "MASTER-ACTIVE-5")
def test_deactivation_outlives_a_reregistration(
    master: MasterUnderTest, new_agent: NewAgent
) -> None:
    agent = new_agent()
    agent.register()
    for _ in range(2):
        assert deactivate(master, agent).status_code == 200
    agent.reregister()
    known = listed(master, agent)
    assert known is not None
    assert (known["active"], known["deactivated"]) == (False, True)
    assert reactivate(master, agent).status_code == 200
    again = reactivate(master, agent)
    assert (again.status_code, again.text) == (400, "Agent is not deactivated")
    assert deactivate(master, agent).status_code == 200
    agent.break_connections()
    known = listed(master, agent)
    assert known is not None
    agent.unregister()
    agent.register()
    known = listed(master, agent)
    assert known is not None
    assert (known["active"], known["deactivated"]) == (True, False)


@clause("MASTER-FAIL-1", "MASTER-FAIL-2", "MASTER-FAIL-3")
def test_what_a_restart_leaves(master: MasterUnderTest, new_agent: NewAgent) -> None:
    active, off, empty = new_agent("active"), new_agent("off"), new_agent("empty")
    for agent in (active, off, empty):
        agent.register()
    assert deactivate(master, off).status_code == 200
    assert drain(master, empty).status_code == 200
    wait_until(lambda: drained(master, empty), PATIENCE, "its being drained")
    master.restart()
    found = get(master, "/slaves").json()
    assert found["slaves"] == []
    assert {each["id"] for each in found["recovered_slaves"]} >= {active.id, off.id, empty.id}
    refused = reactivate(master, active)
    assert (refused.status_code, refused.text) == (400, "Agent is not deactivated")
    assert reactivate(master, empty).status_code == 409
    for agent in (active, off, empty):
        agent.reregister()
    states = []
    for agent in (active, off, empty):
        known = listed(master, agent)
        assert known is not None
        states.append((known["active"], known["deactivated"], "drain_info" in known))
    assert states == [(True, False, False), (False, True, False), (True, False, False)]
