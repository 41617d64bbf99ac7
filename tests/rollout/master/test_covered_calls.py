"""The client asks a master for nothing that no clause of docs/master.md covers."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from rollout.master.client import MasterClient

from tests.conftest import ROOT
from tests.rollout.master.recorded_masters import Asked, masters

MANUAL = (ROOT / "docs" / "master.md").read_text()
# Everything that the client does: one that is not here fails the test.
WAYS: dict[str, Callable[[MasterClient], Awaitable[Any]]] = {
    "sight": lambda client: client.sight(),
    "deactivate": lambda client: client.deactivate("a-S1"),
    "drain": lambda client: client.drain("a-S1", 60),
    "reactivate": lambda client: client.reactivate("a-S1"),
}
ANSWERS = {
    "DEACTIVATE_AGENT": "deactivate: deactivate-again",
    "DRAIN_AGENT": "drain: drain-with-grace",
    "REACTIVATE_AGENT": "deactivate: reactivate",
}


def members(value: object, path: str = "") -> Iterator[str]:
    """The paths of all that is no object."""
    if not isinstance(value, dict):
        yield path
        return
    for name, inner in value.items():
        yield from members(inner, f"{path}.{name}" if path else name)


def described(asked: Asked) -> tuple[str, tuple[str, ...]]:
    """A request as the table has it."""
    request = f"`{asked.method} {asked.path}`"
    if not asked.body:
        return request, ()
    document = json.loads(asked.body)
    kind = document.pop("type")
    sent = tuple(sorted(members(document.pop(kind.lower(), {}))))
    assert not document, f"{kind}: members that belong to no call: {document}"
    return f"{request} {kind}", sent


def table() -> dict[str, tuple[tuple[str, ...], list[str]]]:
    """Members and clauses by request."""
    lines = re.findall(r"^\| (`(?:GET|POST) [^|]*) \|([^|]*)\| ([^|]*) \|$", MANUAL, re.MULTILINE)
    return {
        request: (tuple(sorted(re.findall(r"`([^`]*)`", sent))), clauses.split(", "))
        for request, sent, clauses in lines
    }


def test_every_request_of_the_client_is_covered_by_a_clause() -> None:
    public = {
        name
        for name, each in inspect.getmembers(MasterClient, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    assert public == set(WAYS)

    async def run() -> set[tuple[str, tuple[str, ...]]]:
        async with masters() as (master,):
            for kind, answer in ANSWERS.items():
                master.tell(kind, answer)
            async with MasterClient((master.place,)) as client:
                for way in WAYS.values():
                    await way(client)
            return {described(each) for each in master.asked}

    asked = asyncio.run(run())
    covered = table()
    assert asked == {(request, sent) for request, (sent, _) in covered.items()}
    known = set(re.findall(r"^- \*\*(MASTER-[A-Z]+-\d+)\*\*", MANUAL, re.MULTILINE))
    for request, (_, clauses) in covered.items():
        assert clauses and set(clauses) <= known, request


def test_nothing_else_of_rollout_asks_a_master() -> None:
    """Sessions are made in three places: for masters, for hosts, for the probes of a strategy."""
    makers = {
        str(path.relative_to(ROOT / "cli" / "rollout"))
        for path in (ROOT / "cli" / "rollout").rglob("*.py")
        if re.search(r"ClientSession\(|import requests|http\.client|urlopen", path.read_text())
    }
    assert makers == {"master/client.py", "hosts/access.py", "controller/gate.py"}
