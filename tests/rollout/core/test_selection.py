"""Who is selected, who is not, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from rollout.core.registry import Agent, Placement, RecoveredAgent, Registry
from rollout.core.selection import DISCONNECTED, RECOVERED, TWICE, flaws, select
from rollout.core.strategy import Absent, AtStart, Select, Strategy

from tests.rollout.core.clusters import agent, clusters


def strategy(at_start: AtStart = AtStart.EXCLUDE, **rules: Any) -> Strategy:
    select_rules = Select(**rules)
    masters = ("http://m:5050",)
    return Strategy("s", "p", masters, select=select_rules, absent=Absent(at_start=at_start))


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"attributes": {"role": "db"}}, "its attribute role is web"),
        ({"attributes": {"rack": "r1"}}, "it has no attribute rack"),
        ({"region": "us"}, "its region is eu"),
        ({"zones": ("b", "c")}, "its zone is a"),
        ({"hostnames": ("host-2",)}, "it is not among the hostnames"),
        ({"exclude": ("host-1",)}, "it is excluded by name"),
    ],
)
def test_a_condition_that_does_not_hold_is_named(rules: dict[str, Any], reason: str) -> None:
    found = select(Registry((agent(1, "a"),)), strategy(**rules))
    assert not found.agents
    assert [(each.reason, each.fits) for each in found.left_out] == [(reason, False)]


def test_all_conditions_hold_together() -> None:
    rules: dict[str, Any] = {"attributes": {"role": "web"}, "region": "eu", "zones": ("a", "b")}
    agents = (agent(1, "a"), agent(2, "b"), agent(3, "c"), agent(4))
    found = select(Registry(agents), strategy(**rules))
    assert found.agents == agents[:2]


def test_who_is_not_quite_there_is_not_taken_for_gone() -> None:
    back = RecoveredAgent("S9", "host-9", 5051, Placement(attributes={"role": "web"}))
    twins = (agent(2), replace(agent(2), agent_id="S3"))
    registry = Registry((agent(1, active=False), *twins, agent(4)), (back,))
    found = select(registry, strategy(attributes={"role": "web"}))
    assert [each.host.hostname for each in found.agents] == ["host-4"]
    reasons = {each.reason for each in found.left_out if each.fits}
    assert reasons == {DISCONNECTED, TWICE, RECOVERED}


def test_somebody_elses_deactivation_leaves_nobody_out() -> None:
    registry = Registry((agent(1, active=False, deactivated=True),))
    assert len(select(registry, strategy()).agents) == 1


def test_waiting_for_the_disconnected_selects_them() -> None:
    registry = Registry((agent(1, active=False),))
    assert len(select(registry, strategy(AtStart.WAIT)).agents) == 1
    refused = flaws(select(registry, strategy(AtStart.REFUSE)), strategy(AtStart.REFUSE))
    assert "host-1@" in refused[-1]


@pytest.mark.parametrize(
    ("rules", "flaw"),
    [
        ({"zones": ("x",)}, "no host is selected"),
        ({"at_least": 3}, "2 hosts are selected, and select.at_least asks for 3"),
        ({"hostnames": ("host-1", "host-7")}, "no agent has the name host-7"),
    ],
)
def test_a_selection_with_which_nothing_begins(rules: dict[str, Any], flaw: str) -> None:
    registry = Registry((agent(1, "a"), agent(2, "a")))
    asked = strategy(**rules)
    assert flaw in "\n".join(flaws(select(registry, asked), asked))


@given(clusters())
def test_everybody_is_either_selected_or_told_why_not(agents: list[Agent]) -> None:
    found = select(Registry(tuple(agents)), strategy(zones=("a", "b")))
    named = [str(each.host) for each in found.agents] + [each.host for each in found.left_out]
    assert sorted(named) == sorted(str(each.host) for each in agents)
