"""Which route answers which request: paths, methods, queries."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agentsim.suite.hosts.http_client import Connection, Disconnected
from agentsim.suite.hosts.kinds import Host
from agentsim.suite.hosts.processes import of_request

clause = pytest.mark.clause


@clause("ABI-ROUTE-1")
def test_the_process_id_is_decoded_and_the_rest_is_not(host: Host) -> None:
    assert host.get("/%70robe/argv/fixed").status == 200
    assert host.get("/probe/argv/fixe%64").status == 404
    assert host.get("/Probe/argv/fixed").status == 404
    assert host.get("/probe/argv/FIXED").status == 404
    assert host.get("/%zzrobe/argv/fixed").status == 404


@clause("ABI-ROUTE-2")
@pytest.mark.parametrize("path", ["/probe/argv/fixed/", "/probe/argv/fixed///"])
def test_slashes_at_the_end_are_dropped(host: Host, path: str) -> None:
    assert host.get(path).arguments == [b"$(id)", b"two words", b"*", b"--", b"-x"]


@clause("ABI-ROUTE-3")
@pytest.mark.parametrize(
    ("path", "last"),
    [
        ("/probe/path/deeper", b"deeper"),
        ("/probe/path/deepe", b"deepe"),
        ("/probe/path/deeperx", b"deeperx"),
        ("/probe/path/a/b/c", b"a/b/c"),
        ("/probe/path/any/x", b"x"),
    ],
)
def test_the_longest_registered_path_wins(host: Host, path: str, last: bytes) -> None:
    assert host.get(path).arguments[-1] == last


@clause("ABI-ROUTE-3", "ABI-ROUTE-8")
def test_a_longer_path_falls_back_to_the_longest_registered_one(host: Host) -> None:
    assert host.get("/probe/path/deeper/x").reason == "unknown-path"  # not /probe/path


@clause("ABI-ROUTE-4")
@pytest.mark.parametrize(
    "path",
    ["/probe/path/../argv", "/probe/path/..hidden", "/../probe/argv/fixed", "/probe/path/a/.."],
)
def test_a_path_with_dots_after_a_slash_is_not_found(host: Host, path: str) -> None:
    answer = host.get(path)
    assert (answer.status, answer.body) == (404, b"404 Not Found.")


@clause("ABI-ROUTE-5")
@pytest.mark.parametrize(
    "path", ["/", "/probe", "/probe/", "/nobody/argv", "/probe/nope", "/probe/argvx", "//probe//x"]
)
def test_a_path_without_a_route_is_not_found(host: Host, path: str) -> None:
    answer = host.get(path)
    assert (answer.status, answer.body) == (404, b"404 Not Found.")
    assert answer.head.get("Content-Type") == "text/plain; charset=utf-8"


@clause("ABI-ROUTE-6")
def test_another_method_is_told_which_there_are(host: Host) -> None:
    answer = host.get("/probe/methods")
    assert (answer.status, answer.head.get("Allow")) == (405, "PUT, DELETE, PATCH")
    assert answer.body == (
        b"405 Method Not Allowed."
        b" Expecting one of { 'PUT', 'DELETE', 'PATCH' }, but received 'GET'."
    )
    assert host.ask("DELETE", "/probe/methods").arguments[-1] == b"either"
    assert host.ask("PATCH", "/probe/methods").arguments[-1] == b"third"


@clause("ABI-ROUTE-6")
@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PROPFIND", "M-SEARCH", "UNLINK"])
def test_every_known_method_is_answered(host: Host, method: str) -> None:
    assert host.ask(method, "/probe/methods").status == 405


@clause("ABI-ROUTE-7")
def test_a_path_is_judged_before_who_asks(host: Host) -> None:
    assert host.get("/guarded/nope").status == 404
    assert host.ask("PUT", "/guarded/argv/rest", {"unknown": ""}).status == 401


@clause("ABI-ROUTE-7")
def test_the_method_is_judged_before_the_rest_and_that_before_the_query(host: Host) -> None:
    assert host.ask("PUT", "/probe/typed/rest", {"unknown": ""}).status == 405
    assert host.get("/probe/typed/rest", {"unknown": ""}).reason == "unknown-path"
    assert host.get("/probe/typed", {"unknown": ""}).reason == "unknown-parameter"


@clause("ABI-ROUTE-8", "ABI-ERR-1")
def test_what_follows_a_path_without_a_parameter_is_unknown(host: Host) -> None:
    answer = host.get("/probe/argv/fixed/rest")
    assert (answer.status, answer.reason) == (404, "unknown-path")


@clause("ABI-ROUTE-9")
def test_head_is_for_routes_that_declare_it(host: Host) -> None:
    answer = host.ask("HEAD", "/probe/say")
    assert (answer.status, answer.head.get("Allow")) == (405, "GET, POST")
    answer = host.ask("HEAD", "/probe/head")
    assert (answer.status, answer.body) == (200, b"with a body")


@clause("ABI-ROUTE-10")
@pytest.mark.parametrize("target", ["*", "http://probe"])
def test_a_target_without_a_path_is_refused(connect: Callable[[], Connection], target: str) -> None:
    connection = connect()
    connection.request("GET", target)
    answer = connection.response()
    assert (answer.status, answer.body) == (400, b"Request URL path must start with '/'")


def _said(host: Host, query: str) -> list[bytes]:
    return host.get(f"/probe/argv?{query}").arguments


@clause("ABI-ROUTE-11")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("text=1;number=2", [b"--text=1", b"--number=2", b"--"]),
        ("text=1&number=2", [b"--text=1", b"--number=2", b"--"]),
        ("text=a+b%2Bc", [b"--text=a b+c", b"--"]),
        ("text=1&text=2", [b"--text=2", b"--"]),
        ("text", [b"--text=", b"--"]),
        ("text=", [b"--text=", b"--"]),
        ("&&;text=1;&", [b"--text=1", b"--"]),
        ("text=a=b", [b"--text=a=b", b"--"]),
        ("text=a%3Bb%26c", [b"--text=a;b&c", b"--"]),
        ("te%78t=1", [b"--text=1", b"--"]),
        ("text=a?b", [b"--text=a?b", b"--"]),
        ("text=%C3%A9", [b"--text=\xc3\xa9", b"--"]),
    ],
)
def test_a_query_is_decoded_as_libprocess_does(
    host: Host, query: str, expected: list[bytes]
) -> None:
    assert _said(host, query) == expected


@clause("ABI-ROUTE-12", "ABI-ROUTE-14")
@pytest.mark.parametrize("query", ["text=%zz", "text=%4", "text=100%", "%=1", "text=1&unknown=%x0"])
def test_a_malformed_escape_closes_the_connection(
    local: Host, request_id: str, tagged: list[tuple[str, str]], query: str
) -> None:
    with local.connect() as connection:
        connection.request("GET", f"/probe/argv?{query}", tagged)
        with pytest.raises(Disconnected):
            connection.head()
    assert of_request(request_id) == []


@clause("ABI-ROUTE-13")
def test_an_unknown_key_is_refused_by_name(host: Host) -> None:
    answer = host.get("/probe/argv", {"text": "a", "tekst": "b"})
    assert (answer.status, answer.reason) == (400, "unknown-parameter")
    assert "tekst" in answer.problem["detail"]


@clause("ABI-ROUTE-14")
@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/probe/block?dir={}&unknown=1", 400),
        ("GET", "/probe/block?dir={}&code=x", 400),
        ("GET", "/probe/block/rest?dir={}", 404),
        ("DELETE", "/probe/block?dir={}", 405),
        ("GET", "/guarded/block?dir={}", 401),
        ("GET", "/probe/block?dir={}&timeout=0", 400),
    ],
)
def test_what_is_refused_starts_nothing(
    local: Host, new_rendezvous: Callable[..., object], method: str, target: str, status: int
) -> None:
    rendezvous = new_rendezvous()
    with local.connect() as connection:
        connection.request(method, target.format(rendezvous.dir))  # type: ignore[attr-defined]
        assert connection.response().status == status
        # Whatever was started for it would have told of it before a later command ends.
        connection.request("GET", "/probe/argv/fixed")
        assert connection.response().status == 200
    assert not rendezvous.has("started")  # type: ignore[attr-defined]
