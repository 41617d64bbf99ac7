"""The command's environment: what is in it, and that nothing else is."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable

import pytest

from agentsim.suite.hosts.http_client import Headers, basic
from agentsim.suite.hosts.kinds import DidNotStart, Host
from agentsim.suite.hosts.probe_files import PRINCIPAL, SECRET
from agentsim.suite.tests.rendezvous import Rendezvous

clause = pytest.mark.clause
ALWAYS = {"PATH", "LANG", "HOME", "ABI_VERSION", "ABI_REQUEST_ID", "ABI_ROUTE", "ABI_DEADLINE"}


def environment(
    host: Host, path: str = "/probe/proc?name=environ", headers: Headers = ()
) -> dict[str, str]:
    """The variables of a command."""
    answer = host.get(path, headers=headers)
    assert answer.status == 200, answer.body
    pairs = [entry.partition("=") for entry in answer.text.rstrip("\0").split("\0")]
    assert len({name for name, _, _ in pairs}) == len(pairs), "a variable is there twice"
    return {name: value for name, _, value in pairs}


@clause("ABI-ENV-1")
def test_there_are_no_other_variables(host: Host) -> None:
    names = set(environment(host))
    expected = ALWAYS | {"PROBE_TABLE", "PROBE_BOTH"}
    assert names - {"PROBE_HOST"} == expected


@clause("ABI-ENV-2")
def test_path_lang_and_home(host: Host) -> None:
    variables = environment(host, "/guarded/open")
    assert variables["PATH"] == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert variables["LANG"] == "C.UTF-8"
    assert variables["HOME"] == "/"
    assert environment(host)["HOME"] == "/home of the table"


@clause("ABI-ENV-3")
def test_the_table_sets_and_the_host_overrides(host: Host) -> None:
    variables = environment(host)
    assert variables["PROBE_TABLE"] == "the table's"
    if "PROBE_HOST" not in variables and not host.started_here:
        pytest.skip("the host was started without its own entries PROBE_HOST and PROBE_BOTH")
    assert variables["PROBE_HOST"] == variables["PROBE_BOTH"] == "the host's"


@clause("ABI-ENV-4")
def test_the_version(host: Host) -> None:
    assert environment(host)["ABI_VERSION"] == "1"


@clause("ABI-ENV-5")
@pytest.mark.parametrize("proposed", ["a", "A.b_c-9", "x" * 64])
def test_a_good_request_id_is_taken_over(host: Host, proposed: str) -> None:
    assert environment(host, headers=[("X-Request-Id", proposed)])["ABI_REQUEST_ID"] == proposed
    assert environment(host, headers=[("x-request-ID", proposed)])["ABI_REQUEST_ID"] == proposed


@clause("ABI-ENV-5")
@pytest.mark.parametrize(
    "proposed", ["", "x" * 65, "a b", "a/b", "é", "a;b", "$(id)", "a\tb", None]
)
def test_a_bad_request_id_is_replaced(host: Host, proposed: str | None) -> None:
    headers = [] if proposed is None else [("X-Request-Id", proposed)]
    made = environment(host, headers=headers)["ABI_REQUEST_ID"]
    assert re.fullmatch("[0-9a-f]{16}", made)
    assert environment(host, headers=headers)["ABI_REQUEST_ID"] != made


@clause("ABI-ENV-5")
def test_a_running_commands_request_id_is_given_to_no_other(
    local: Host, new_rendezvous: Callable[[], Rendezvous]
) -> None:
    rendezvous, taken = new_rendezvous(), [("X-Request-Id", "taken")]
    with local.connect() as connection:
        connection.request("GET", f"/load/one?dir={rendezvous.dir}", taken)
        rendezvous.wait()
        other = environment(local, headers=taken)["ABI_REQUEST_ID"]
        assert re.fullmatch("[0-9a-f]{16}", other)
        rendezvous.go()
        assert connection.response().status == 200
    assert environment(local, headers=taken)["ABI_REQUEST_ID"] == "taken"


@clause("ABI-ENV-6")
def test_the_route_is_named(host: Host) -> None:
    assert environment(host)["ABI_ROUTE"] == "GET /probe/proc"
    assert environment(host, "/%70robe/proc//?name=environ")["ABI_ROUTE"] == "GET /probe/proc"
    answer = host.ask("PUT", "/probe/proc", {"name": "environ"})
    assert b"ABI_ROUTE=PUT /probe/proc\0" in answer.body


@clause("ABI-ENV-7")
@pytest.mark.parametrize(
    ("query", "seconds"), [("", 60), ("&timeout=7.5", 7.5), ("&timeout=99", 60)]
)
def test_the_deadline_is_when_the_time_out_comes(local: Host, query: str, seconds: float) -> None:
    before = time.time()
    text = environment(local, f"/probe/proc?name=environ{query}")["ABI_DEADLINE"]
    assert re.fullmatch(r"\d+\.\d{3}", text)
    assert before + seconds - 0.002 <= float(text) <= time.time() + seconds + 0.002


@clause("ABI-ENV-8")
def test_the_principal_is_there_if_somebody_was_authenticated(host: Host) -> None:
    proof = basic(PRINCIPAL, SECRET)
    if host.get("/guarded/environ").status == 200:
        pytest.skip("the host was started without the credentials of the probes")
    assert environment(host, "/guarded/environ", [proof])["ABI_PRINCIPAL"] == PRINCIPAL
    assert "ABI_PRINCIPAL" not in environment(host, "/guarded/open", [proof])


@clause("ABI-ENV-9")
def test_no_header_becomes_a_variable(host: Host) -> None:
    headers = [
        ("Proxy", "http://evil"),
        ("HTTP_PROXY", "http://evil"),
        ("X-Evil", "evil"),
        ("User-Agent", "evil"),
        ("Cookie", "evil"),
        ("LD_PRELOAD", "evil"),
        ("ABI-Version", "evil"),
        ("ABI_VERSION", "evil"),
    ]
    variables = environment(host, headers=headers)
    assert set(variables) - {"PROBE_HOST"} == ALWAYS | {"PROBE_TABLE", "PROBE_BOTH"}
    assert not [name for name, value in variables.items() if "evil" in value]


@clause("ABI-ENV-10", "ABI-TABLE-11")
def test_the_host_can_not_set_the_abis_own_variables(own_host: Callable[..., Host]) -> None:
    with contextlib.suppress(DidNotStart):
        host = own_host(environment={"ABI_VERSION": "9", "ABI_OTHER": "9"})
        assert "9" not in environment(host).values()
