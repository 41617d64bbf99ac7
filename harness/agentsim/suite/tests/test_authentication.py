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
LOCALHOST = ("Host", "localhost:5051")


@pytest.fixture
def guarded(local: Host) -> Host:
    """The host under test, with the credentials of the probes."""
    if not local.started_here and local.get("/guarded/environ").status == 200:
        pytest.skip("the host was started without the credentials of the probes")
    return local


@pytest.fixture
def unguarded(own_host: Callable[..., Host]) -> Host:
    """A host that can authenticate nobody."""
    return own_host(guarded=False)


@pytest.fixture
def opened(own_host: Callable[..., Host]) -> Host:
    """A host that can authenticate nobody, and whose operator has opened it."""
    return own_host(guarded=False, opened=True)


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
@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/guarded/block"),
        ("PUT", "/guarded/block"),
        ("GET", "/guarded/block/rest"),
        ("GET", "/guarded/block?unknown=1"),
    ],
)
def test_a_realm_that_nobody_can_be_authenticated_for_lets_nobody_in(
    unguarded: Host, method: str, target: str
) -> None:
    for headers in ([], [GOOD], [basic("bob", "anything")]):
        answer = unguarded.ask(method, target, headers=[LOCALHOST, *headers])
        assert (answer.status, answer.reason) == (403, "unguarded")
        assert answer.head.get("Allow") is None
        assert answer.head.get("WWW-Authenticate") is None
    assert unguarded.get("/load/say", headers=[LOCALHOST]).body == b"said"


@clause("ABI-AUTH-2")
def test_an_opened_host_lets_everybody_in(opened: Host) -> None:
    for headers in ([], [GOOD], [basic("bob", "anything")]):
        answer = opened.get("/guarded/environ", headers=[LOCALHOST, *headers])
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


@clause("ABI-AUTH-4")
@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ([("Sec-Fetch-Site", "cross-site")], True),
        ([("Sec-Fetch-Site", "same-site")], True),
        ([("Sec-Fetch-Site", "same-origin")], False),
        ([("Sec-Fetch-Site", "none")], False),
        ([("Sec-Fetch-Site", "same-origin"), ("Origin", "http://evil.example")], False),
        ([("Origin", "http://evil.example")], True),
        ([("Origin", "null")], True),
        ([("Origin", "http://probe")], False),
        ([("Origin", "http://probe:8080")], False),
        ([], False),
    ],
)
@pytest.mark.parametrize("path", ["/probe/block", "/guarded/block"])
def test_pages_of_other_sites_start_nothing(
    guarded: Host,
    rendezvous: Rendezvous,
    path: str,
    headers: list[tuple[str, str]],
    *,
    refused: bool,
) -> None:
    with guarded.connect() as connection:
        connection.request("GET", f"{path}?dir={rendezvous.dir}", [GOOD, *headers])
        if refused:
            answer = connection.response()
            assert (answer.status, answer.reason) == (403, "cross-site")
            assert guarded.get("/load/say").body == b"said"
            assert not rendezvous.has("started")
        else:
            rendezvous.wait()
            rendezvous.go()
            assert connection.response().status == 200


@clause("ABI-AUTH-4")
def test_a_form_of_another_site_is_refused_before_anything_else_is_looked_at(
    guarded: Host,
) -> None:
    form = [("Origin", "https://evil.example"), ("Content-Type", "text/plain")]
    for method, target in (
        ("POST", "/guarded/argv"),
        ("PUT", "/guarded/argv"),
        ("POST", "/guarded/argv/rest"),
        ("POST", "/guarded/argv?unknown=1"),
    ):
        answer = guarded.ask(method, target, headers=[GOOD, *form], body=b"x")
        assert (answer.status, answer.reason) == (403, "cross-site")
        assert answer.head.get("Allow") is None


@clause("ABI-AUTH-4")
def test_what_libprocess_itself_answers_is_not_asked_for_its_site(guarded: Host) -> None:
    answer = guarded.get("/help", headers=[("Sec-Fetch-Site", "cross-site")])
    assert answer.status == guarded.get("/help").status


@clause("ABI-AUTH-5")
@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("localhost", False),
        ("localhost:5051", False),
        ("127.0.0.1:5051", False),
        ("[::1]:5051", False),
        ("", False),
        ("evil.example", True),
        ("evil.example:5051", True),
        ("localhost.evil.example", True),
        ("127.0.0.1.evil.example", True),
    ],
)
def test_a_host_without_credentials_goes_by_addresses_and_localhost(
    opened: Host, name: str, *, refused: bool
) -> None:
    for path in ("/load/say", "/guarded/environ"):
        answer = opened.get(path, headers=[("Host", name)])
        if refused:
            assert (answer.status, answer.reason) == (403, "cross-site")
        else:
            assert answer.status == 200


@clause("ABI-AUTH-6")
def test_a_route_can_be_for_certain_principals(guarded: Host, rendezvous: Rendezvous) -> None:
    with guarded.connect() as connection:
        connection.request("GET", f"/guarded/alice?dir={rendezvous.dir}", [GOOD])
        rendezvous.wait()
        rendezvous.go()
        assert connection.response().status == 200
    rendezvous.forget()
    for path, headers in (("/guarded/carol", [GOOD]), ("/guarded/nobody", [])):
        for query in ({"dir": rendezvous.dir}, {"unknown": "1"}):
            answer = guarded.get(path, query, headers)
            assert (answer.status, answer.reason) == (403, "not-permitted")
    assert guarded.get("/load/say").body == b"said"
    assert not rendezvous.has("started")


@clause("ABI-AUTH-6")
def test_an_opened_host_lets_nobody_in_where_principals_are_named(opened: Host) -> None:
    for path in ("/guarded/alice", "/guarded/nobody"):
        answer = opened.get(path, {"dir": "/"}, [LOCALHOST, GOOD])
        assert (answer.status, answer.reason) == (403, "not-permitted")
