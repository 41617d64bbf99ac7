"""The conditions of a profile: what is asked, how often, for how long, and what is not done."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.profile_host import Host, profile
from tests.support.web_server import (
    Answer,
    Request,
    Web,
    body,
    drip,
    head,
    raw,
    serve,
    stall,
    status,
)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.add("web--1", {"bin/web": "#!/bin/sh\n"})
    return host


def probes(host: Host, url: str, **more: Any) -> list[dict[str, Any]]:
    """The events of the attempts at one HTTP probe."""
    wanted = {
        "url": url,
        **{k: v for k, v in more.items() if k in ("status", "contains", "redirects")},
    }
    rest = {k: v for k, v in more.items() if k not in wanted}
    events = host.events(profile(packages=["web"], health={"http": [wanted], **rest}))
    return [each for each in events if each["event"] == "probe"]


ENDLESS = raw(head("200 OK"), *(b"x" * 65536,) * 4096)


@pytest.mark.parametrize(
    ("answer", "more", "reason"),
    [
        (status("200 OK"), {}, None),
        (status("204 No Content"), {"status": 204}, None),
        (status("503 Unavailable"), {}, "the server answered 503, not 200"),
        (status("200 OK"), {"status": 500}, "the server answered 200, not 500"),
        (body(b"all is well"), {"contains": "well"}, None),
        (body(b"all is lost"), {"contains": "well"}, "the response does not contain the text"),
        (ENDLESS, {}, None),
        (ENDLESS, {"contains": "y"}, "the response does not contain the text"),
        (raw(b"nonsense\r\n\r\n"), {}, "the answer is not HTTP"),
        (raw(), {}, "the connection was closed without an answer"),
        (stall(), {"timeout": 0.3}, "no data for 0.3 s"),
        (
            drip(head("200 OK"), b"x" * 1000, 0.1),
            {"timeout": 0.3, "contains": "y"},
            "takes too long",
        ),
    ],
)
def test_answers(host: Host, answer: Answer, more: dict[str, Any], reason: str | None) -> None:
    with serve(answer) as web:
        told = probes(host, web.url("/health?token=hidden"), **more)
    assert len(told) == 1
    assert told[0]["ok"] is (reason is None)
    assert reason is None or reason in told[0]["reason"]
    assert told[0]["name"] == web.url("/health?…")
    assert host.active == (["web--1"] if reason is None else [])


def test_a_head_that_never_ends_is_given_up(host: Host) -> None:
    """Every byte comes in time, so no time-out of a read ends it."""
    with serve(drip(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 1000, 0.05)) as web:
        told = probes(host, web.url("/"), timeout=0.3)
    assert told[0]["reason"] == "no answer for 0.3 s"


def test_redirects_are_followed_only_where_that_is_allowed(host: Host) -> None:
    with serve(status("200 OK")) as there:
        elsewhere = status("302 Found", Location=there.url("/there"))
        with serve(elsewhere) as here:
            told = probes(host, here.url("/"))
            assert told[0]["reason"] == "the server answered 302, not 200"
            assert probes(host, here.url("/"), status=302)[0]["ok"]
            assert not there.requests
            assert probes(host, here.url("/"), redirects=True)[0]["ok"]
            assert len(there.requests) == 1
    with serve(status("302 Found", Location="file:///etc/passwd")) as here:
        told = probes(host, here.url("/"), redirects=True)
        assert told[0]["reason"] == "a redirect leads away from http and https"
    with serve(status("302 Found", Location="/again")) as here:
        told = probes(host, here.url("/"), redirects=True)
        assert told[0]["reason"] == "more than 10 redirects"


def test_it_is_asked_again_until_it_is_well(host: Host) -> None:
    with serve(raw(), status("503 Unavailable"), status("200 OK")) as web:
        told = probes(host, web.url("/"), retries=5, interval=0.01)
    assert [each["attempt"] for each in told] == [1, 2, 3]
    assert [each["ok"] for each in told] == [False, False, True]
    assert host.active == ["web--1"]


def test_proxies_of_the_environment_are_not_asked(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = {"http_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"}
    monkeypatch.setattr(
        Host, "environment", property(lambda self: {**super(Host, self).environment, **proxy})
    )
    with serve(status("200 OK")) as web:
        assert probes(host, web.url("/"))[0]["ok"]


def test_all_are_asked_at_once(host: Host) -> None:
    """Each of three waits for the others: one after the other they would never be answered."""
    with Meeting(3) as web:
        line = f"import urllib.request; urllib.request.urlopen('{web.url('/')}')"
        check = f"#!{sys.executable}\n{line}\n"
        host.add("checked--1", {"check/asks": check})
        asked = [{"url": web.url("/a")}, {"url": web.url("/b")}]
        made = profile(packages=["web", "checked"], health={"http": asked, "timeout": 20})
        assert host.applied(made)["changed"]


class Meeting:
    """A server that answers when so many are waiting."""

    def __init__(self, number: int) -> None:
        import threading

        self._barrier = threading.Barrier(number)
        self._serving = serve(self._answer)

    def _answer(self, connection: socket.socket, request: Request, web: Web) -> None:
        self._barrier.wait(20)
        status("200 OK")(connection, request, web)

    def __enter__(self) -> Web:
        return self._serving.__enter__()

    def __exit__(self, *failure: Any) -> None:
        self._serving.__exit__(*failure)


def test_checks_that_hang_are_ended(host: Host) -> None:
    host.add("slow--1", {"check/sleeps": "#!/bin/sh\nexec sleep 600\n"})
    done = host.apply(profile(packages=["slow"], health={"timeout": 0.2}))
    assert done.returncode == 65
    assert b"check slow--1 sleeps: timed out" in done.stderr
    assert host.active == []


def test_checks_can_be_left_out(host: Host) -> None:
    host.add("sick--1", {"check/fails": "#!/bin/sh\nexit 3\n"})
    assert host.apply(profile(packages=["sick"])).returncode == 65
    assert host.applied(profile(packages=["sick"], health={"checks": False}))["changed"]


def test_without_systemd_units_are_not_looked_at(host: Host) -> None:
    done = host.apply(profile(packages=["web"], health={"units": ["x.service"]}), "--no-systemd")
    assert done.returncode == 0
    assert b"units are not checked: --no-systemd" in done.stderr
    assert host.tools.calls(asking=True) == []
