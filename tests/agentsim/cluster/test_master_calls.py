"""Calls that a master refuses, and who may make them (docs/master.md)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.cluster_operator import (
    get,
    post,
)
from tests.support.cluster_process import call
from tests.support.hand_agent import HandAgent
from tests.support.master_clause import clause
from tests.support.tested_masters import CREDENTIALS, MasterUnderTest

NewAgent = Callable[..., HandAgent]


@clause("MASTER-CALL-1", "MASTER-CALL-2", "MASTER-CALL-3", "MASTER-CALL-5")
def test_calls_that_are_refused_by_their_heads(master: MasterUnderTest) -> None:
    refused = get(master, "/api/v1")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")
    health = '{"type": "GET_HEALTH"}'
    for kind in ("application/json; charset=utf-8", "Application/JSON", "text/plain"):
        assert post(master, health, Content_Type=kind).status_code == 415
    assert post(master, health, Accept="text/html").status_code == 406
    assert post(master, health, Accept="text/html, */*;q=0.1").status_code == 200
    assert post(master, '{"type": "GET_HEALTH", "unknown": 1}').status_code == 200


@clause("MASTER-CALL-4")
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "Failed to parse body into JSON"),
        ("[]", "Failed to convert JSON into Call protobuf: Expecting a JSON object"),
        ("{}", "Failed to validate master::Call: Expecting 'type' to be present"),
        ('{"type": "NO"}', "Failed to validate master::Call: Expecting 'type' to be present"),
        ('{"type": 1}', "Not expecting a JSON number for field 'type'"),
        ('{"type": "DRAIN_AGENT"}', "Expecting 'drain_agent' to be present"),
        (
            '{"type": "DRAIN_AGENT", "drain_agent": {"agent_id": "x"}}',
            "Not expecting a JSON string for field 'agent_id'",
        ),
        (
            '{"type": "DRAIN_AGENT", "drain_agent": {}}',
            "Missing required fields: drain_agent.agent_id",
        ),
    ],
)
def test_calls_that_are_refused_by_their_bodies(
    master: MasterUnderTest, body: str, words: str
) -> None:
    answer = post(master, body)
    assert answer.status_code == 400
    assert words in answer.text


@clause("MASTER-CALL-6")
def test_nothing_is_scheduled(master: MasterUnderTest) -> None:
    assert get(master, "/maintenance/status").json() == {}
    status = call(master.url, "GET_MAINTENANCE_STATUS").json()
    assert status["get_maintenance_status"] == {"status": {}}


@clause("MASTER-AUTH-1", "MASTER-AUTH-2", "MASTER-AUTH-3", "MASTER-LEAD-1")
def test_who_may_do_what(
    guarded: MasterUnderTest, agents: Callable[[MasterUnderTest], NewAgent]
) -> None:
    agent = agents(guarded)()
    agent.register()
    asked = {"/slaves": "readonly", "/state": "readonly", "/maintenance/schedule": "readwrite"}
    for path, realm in asked.items():
        for login in (None, ("ops", "wrong"), ("nobody", "x")):
            refused = get(guarded, path, auth=login)
            assert refused.status_code == 401
            assert refused.headers["WWW-Authenticate"] == f'Basic realm="mesos-master-{realm}"'
    refused = post(guarded, "no JSON")
    assert refused.headers["WWW-Authenticate"] == 'Basic realm="mesos-master-readwrite"'
    assert get(guarded, "/health").status_code == 200
    assert agent.id in get(guarded, "/slaves", auth=("viewer", CREDENTIALS["viewer"])).text
    assert agent.id in post(guarded, '{"type": "GET_AGENTS"}', "viewer").text
    for kind in ("DRAIN_AGENT", "DEACTIVATE_AGENT", "REACTIVATE_AGENT"):
        body = f'{{"type": "{kind}", "{kind.lower()}": {{"agent_id": {{"value": "nobody"}}}}}}'
        assert post(guarded, body, "viewer").status_code == 403
        assert post(guarded, body, "ops").status_code == 400
