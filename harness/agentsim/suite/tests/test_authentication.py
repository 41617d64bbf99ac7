"""Realms: who gets in, and what the others learn."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Callable

import pytest

from agentsim.suite.hosts.http_client import basic
from agentsim.suite.hosts.kinds import Host, free_port
from agentsim.suite.hosts.probe_files import PRINCIPAL, REALM, SECRET
from agentsim.suite.hosts.processes import wait_until
from agentsim.suite.tests.rendezvous import Rendezvous

clause = pytest.mark.clause
GOOD = basic(PRINCIPAL, SECRET)


@pytest.fixture
def guarded(local: Host) -> Host:
    """The host under test, with the credentials of the probes."""
    if not local.started_here and local.get("/guarded/environ").status == 200:
        pytest.skip("the host was started without the credentials of the probes")
    return local


@clause("ABI-AUTH-1", "ABI-ROUTE-14")
@pytest.mark.parametrize(
    "value",
    [
        None,
        basic(PRINCIPAL, "wrong")[1],
        basic("bob", SECRET)[1],
        basic(PRINCIPAL, "")[1],
        basic(PRINCIPAL, SECRET + ":x")[1],
        basic(PRINCIPAL, SECRET + "\0")[1],
        GOOD[1].replace("Basic", "basic"),
        GOOD[1].replace("Basic ", "Bearer "),
        "Basic ***",
        "Basic",
        "",
    ],
)
def test_who_is_not_known_stays_outside(
    guarded: Host, rendezvous: Rendezvous, value: str | None
) -> None:
    headers = [] if value is None else [("Authorization", value)]
    answer = guarded.get("/guarded/block", {"dir": rendezvous.dir}, headers)
    assert (answer.status, answer.body) == (401, b"401 Unauthorized.")
    assert answer.head.get("WWW-Authenticate") == f'Basic realm="{REALM}"'
    assert guarded.get("/load/say").body == b"said"
    assert not rendezvous.has("started")


@clause("ABI-AUTH-1")
def test_nobody_is_let_in_while_the_host_starts(own_host: Callable[..., Host]) -> None:
    address = ("127.0.0.1", free_port())
    seen: set[int] = set()
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            connection = http.client.HTTPConnection(address[0], address[1], timeout=5)
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection.request("GET", "/guarded/environ")
                seen.add(connection.getresponse().status)
            connection.close()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        host = own_host(port=address[1])
        if host.address != address:
            pytest.skip("the host can't be told where to listen")
        wait_until(lambda: 401 in seen, host.deadline, "an answer")
    finally:
        ended.set()
        asking.join()
    assert seen <= {401, 404}


@clause("ABI-AUTH-1", "ABI-ENV-8")
def test_who_is_known_comes_in(guarded: Host) -> None:
    answer = guarded.get("/guarded/environ", headers=[GOOD])
    assert answer.status == 200
    assert f"\0ABI_PRINCIPAL={PRINCIPAL}\0".encode() in b"\0" + answer.body


@clause("ABI-AUTH-2")
def test_a_realm_that_nobody_guards_is_open(own_host: Callable[..., Host]) -> None:
    host = own_host(guarded=False)
    for headers in ([], [GOOD], [basic("bob", "anything")]):
        answer = host.get("/guarded/environ", headers=headers)
        assert answer.status == 200
        assert b"ABI_PRINCIPAL" not in answer.body


@clause("ABI-AUTH-3", "ABI-ROUTE-7")
@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/guarded/argv"),
        ("PUT", "/guarded/argv"),
        ("POST", "/guarded/argv"),
        ("POST", "/guarded/argv?text=1"),
        ("POST", "/guarded/argv?unknown=1"),
        ("POST", "/guarded/argv?timeout=x"),
        ("POST", "/guarded/argv/rest"),
    ],
)
def test_who_is_outside_learns_nothing(guarded: Host, method: str, target: str) -> None:
    answer = guarded.ask(method, target)
    assert (answer.status, answer.body) == (401, b"401 Unauthorized.")
    assert answer.head.get("Allow") is None
    assert guarded.ask(method, target, headers=[GOOD]).status != 401
