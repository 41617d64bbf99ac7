"""Which way a connection takes: proxies and what they are passed by for, and a host's addresses."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packager.repositories import proxies
from packager.repositories.retry_policy import Policy

from tests.support.downloads import Download
from tests.support.web_server import body, serve


@pytest.mark.parametrize(
    ("no_proxy", "host", "direct"),
    [
        ("example.test", "example.test", True),
        ("example.test", "a.example.test", True),
        ("ample.test", "example.test", False),
        (".example.test", "a.example.test", True),
        (".example.test", "badexample.test", False),
        ("*.example.test", "a.example.test", True),
        ("*.example.test", "badexample.test", False),
        ("*", "example.test", True),
        ("EXAMPLE.test.", "example.TEST", True),
        ("a.test, example.test", "example.test", True),
        ("a.test example.test", "example.test", True),
        ("a.test,\n", "a.test", True),
        ("example.test:8080", "example.test", False),
        ("example.test:80", "example.test", True),
        ("10.0.0.0/8", "10.20.30.40", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.1.2.3/8", "10.9.9.9", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3:80", "10.1.2.3", True),
        ("10.1.2.3:81", "10.1.2.3", False),
        (".2.3", "10.1.2.3", False),
        ("10.0.0.0/8", "a.10.0.0.0", False),
        ("2001:db8::/32", "2001:db8::1", True),
        ("[2001:db8::1]", "2001:db8::1", True),
        ("[2001:db8::1]:80", "2001:db8::1", True),
        ("::1", "127.0.0.1", False),
        ("", "example.test", False),
        (",.,*.,:80", "example.test", False),
    ],
)
def test_what_is_asked_directly(no_proxy: str, host: str, direct: bool) -> None:
    assert proxies.bypassed(host, 80, no_proxy) == direct


@given(st.text(alphabet="a.*:/[]08, %", max_size=20), st.sampled_from(["a.a", "8.8.8.8", "::8"]))
def test_any_list_is_read(no_proxy: str, host: str) -> None:
    assert proxies.bypassed(host, 80, no_proxy) in (True, False)


def test_names_that_only_end_alike_go_through_the_proxy(
    download: Download, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(body(b"tar")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url(""))
        monkeypatch.setenv("no_proxy", "po.invalid,10.0.0.0/8")
        assert download("http://repo.invalid/x") == b"tar"
    assert len(proxy.requests) == 1


def test_each_redirect_has_its_own_way(download: Download, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.web_server import status

    with (
        serve(body(b"tar")) as proxy,
        serve(status("302 Found", Location="http://mirror.invalid/x")) as web,
    ):
        monkeypatch.setenv("http_proxy", proxy.url(""))
        monkeypatch.setenv("no_proxy", "127.0.0.0/8")
        assert download(web.url()) == b"tar"
    assert [each.line for each in proxy.requests] == ["GET http://mirror.invalid/x HTTP/1.1"]


@contextmanager
def black_hole(host: str, port: int) -> Iterator[None]:
    """An address that answers nothing: a listener whose queue is full drops what comes."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(8):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            with suppress(BlockingIOError):
                client.connect((host, port))
        yield


def test_addresses_that_lead_nowhere_leave_time_for_one_that_does(
    download: Download, monkeypatch: pytest.MonkeyPatch
) -> None:
    holes = [f"127.0.0.{number}" for number in range(2, 6)]
    ask = socket.getaddrinfo

    def resolve(host: str, port: int, *more: Any, **named: Any) -> list[Any]:
        if host != "repo.invalid":
            return ask(host, port, *more, **named)
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, (address, port)) for address in (*holes, "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    patient = Policy(connect_timeout=1, read_timeout=1, retries=0)
    with serve(body(b"tar")) as web, ExitStack() as stack:
        for address in holes:
            stack.enter_context(black_hole(address, web.port))
        assert download(f"http://repo.invalid:{web.port}/x", patient) == b"tar"
    assert web.requests[0].headers["host"] == f"repo.invalid:{web.port}"


def test_families_take_turns() -> None:
    from packager.repositories.http_session import _in_turn

    found = [(10, "a"), (10, "b"), (10, "b"), (10, "c"), (2, "1"), (2, "2")]
    assert _in_turn(found) == ["a", "1", "b", "2", "c"]
