"""What an operator asks a master under test."""

from __future__ import annotations

from typing import Any

import requests
from agentsim.suite.hosts.processes import wait_until

from tests.support.cluster_process import PATIENCE, call
from tests.support.hand_agent import HandAgent
from tests.support.tested_masters import CREDENTIALS, MasterUnderTest


def get(master: MasterUnderTest, path: str, **more: Any) -> requests.Response:
    return requests.get(master.url + path, timeout=PATIENCE, allow_redirects=False, **more)


def post(
    master: MasterUnderTest, body: str, login: str | None = None, **headers: str
) -> requests.Response:
    sent = {"Content-Type": "application/json", "Accept": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    auth = None if login is None else (login, CREDENTIALS[login])
    return requests.post(f"{master.url}/api/v1", body, headers=sent, timeout=PATIENCE, auth=auth)


def listed(master: MasterUnderTest, agent: HandAgent) -> dict[str, Any] | None:
    """An agent as `/slaves` has it, None if it has it not."""
    found = get(master, f"/slaves?slave_id={agent.id}").json()["slaves"]
    return found[0] if found else None


def of(agent: HandAgent) -> dict[str, str]:
    return {"value": agent.id}


def drain(master: MasterUnderTest, agent: HandAgent, **more: Any) -> requests.Response:
    return call(master.url, "DRAIN_AGENT", agent_id=of(agent), **more)


def deactivate(master: MasterUnderTest, agent: HandAgent) -> requests.Response:
    return call(master.url, "DEACTIVATE_AGENT", agent_id=of(agent))


def reactivate(master: MasterUnderTest, agent: HandAgent) -> requests.Response:
    return call(master.url, "REACTIVATE_AGENT", agent_id=of(agent))


def make_unreachable(master: MasterUnderTest, agent: HandAgent) -> None:
    agent.answers_pings = False
    wait_until(lambda: listed(master, agent) is None, PATIENCE, "its being unreachable")
    agent.answers_pings = True


def drained(master: MasterUnderTest, agent: HandAgent) -> bool:
    known = listed(master, agent)
    return known is not None and known.get("drain_info", {}).get("state") == "DRAINED"
