"""What the recorded masters listed, as registries; and lists that no master would give."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packager.base.errors import ProtocolError
from rollout.core.registry import Drain, Registry
from rollout.master.listing import parse_listing

from tests.rollout.master.recorded_masters import RESPONSES, SLAVES

LISTS = {
    name: body
    for name, (status, _, body) in RESPONSES.items()
    if status == 200 and body and body.startswith('{"slaves":')
}
LISTED: dict[str, Any] = json.loads(RESPONSES[SLAVES][2])


def test_all_recorded_lists_are_understood() -> None:
    assert len(LISTS) > 20
    for name, body in LISTS.items():
        found, listed = parse_listing(body.encode()), json.loads(body)
        assert len(found.agents) == len(listed["slaves"]), name
        assert len(found.recovered) == len(listed["recovered_slaves"]), name


def test_an_agent() -> None:
    agents = {each.host.hostname: each for each in parse_listing(LISTS[SLAVES].encode()).agents}
    found = agents["sim-0001"]
    assert str(found.host) == "sim-0001@127.1.0.1:15071"
    assert found.placement.fault_domain == ("eu", "z0")
    assert found.placement.attributes == {"role": "web", "rack": "r0", "sim": "1"}
    assert found.active and not found.deactivated and found.idle


@pytest.mark.parametrize(
    ("name", "deactivated", "drain"),
    [
        ("deactivate: deactivated", True, None),
        ("drain: drained-no-tasks", True, Drain.DRAINED),
        ("task-drain: draining", True, Drain.DRAINING),
        ("lifecycle: real-killed-at-once", False, None),
    ],
)
def test_agents_that_get_no_tasks(name: str, deactivated: bool, drain: Drain | None) -> None:
    (found,) = parse_listing(LISTS[name].encode()).agents
    assert (found.active, found.deactivated, found.drain) == (False, deactivated, drain)
    assert found.is_disconnected is not deactivated


def test_after_a_failover_agents_are_recovered_not_gone() -> None:
    found = parse_listing(LISTS["failover: slaves-recovered-after-drain"].encode())
    assert not found.agents
    recovered = {each.hostname: each for each in found.recovered}
    assert recovered.keys() >= {"real-1", "sim-0001"}
    assert recovered["real-3"].placement.attributes["weight"] == "2.5"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pid", None),
        ("pid", "slave(1)@somewhere:5051"),
        ("id", 7),
        ("hostname", "a/b"),
        ("hostname", "a\nb"),
        ("active", "true"),
        ("attributes", {"a": 1, "b": [1]}),
        ("drain_info", {"state": "EMPTY"}),
    ],
)
def test_an_entry_that_is_not_understood_is_an_error_not_an_agent_less(
    name: str, value: object
) -> None:
    entry = {**LISTED["slaves"][0], name: value}
    if name == "attributes":
        assert parse_listing(json.dumps({**LISTED, "slaves": [entry]}).encode())
        return
    with pytest.raises(ProtocolError, match="list of agents"):
        parse_listing(json.dumps({**LISTED, "slaves": [entry]}).encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(LISTED["slaves"][0])), JSON)
def test_whatever_stands_in_an_entry_it_is_a_registry_or_a_refusal(name: str, value: Any) -> None:
    entry = {**LISTED["slaves"][0], name: value}
    try:
        found = parse_listing(json.dumps({"slaves": [entry], "recovered_slaves": []}).encode())
    except ProtocolError:
        return
    assert isinstance(found, Registry)


@given(st.binary())
def test_whatever_bytes_come(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_listing(body)
