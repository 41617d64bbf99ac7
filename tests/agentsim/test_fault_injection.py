"""`serve --inject`: faults on purpose, the same for the same seed."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from agentsim.simulator.fault_injection import BadRule, Injector, parse_rule
from agentsim.simulator.log import Log
from agentsim.suite.hosts.processes import wait_until

from tests.conftest import Simulator
from tests.support.shell_table import shell_table

Start = Callable[..., Simulator]

SCRIPT = r"""
case $1 in
large) head -c 200000 /dev/zero | tr '\0' x ;;
steps) while :; do echo '{}'; sleep 0.05; done ;;
*) echo "$1" ;;
esac
"""


def _table(directory: Path) -> Path:
    return shell_table(
        directory,
        SCRIPT,
        *({"path": f"/{p}", "response": {"type": "text/plain"}} for p in ("one", "two", "large")),
        {"path": "/steps", "response": {"delivery": "stream"}},
    )


def _draws(seed: int, *routes: str, rules: tuple[str, ...]) -> list[dict[str, float]]:
    injector = Injector(map(parse_rule, rules), seed, Log(lambda _: None))
    return [injector.draw(route) for route in routes]


def test_the_nth_request_to_a_route_meets_the_same_faults() -> None:
    rules = ("cut:*:0.3", "delay=0.5:/t/one:0.5", "refuse:/t/two:0.2")
    alone = _draws(7, *["/t/one"] * 100, rules=rules)
    mixed = _draws(7, *["/t/two", "/t/one", "/t/three"] * 100, rules=rules)
    assert alone == mixed[1::3]
    assert alone == _draws(7, *["/t/one"] * 100, rules=rules)
    assert alone != _draws(8, *["/t/one"] * 100, rules=rules)
    assert 10 < sum("cut" in faults for faults in alone) < 60
    assert 30 < sum("delay" in faults for faults in alone) < 70
    assert not any("refuse" in faults for faults in alone)


@pytest.mark.parametrize(
    "text",
    [
        *("cut", "cut:/x", "break:/x:1", "cut:x:1", "cut:/x:2", "cut:/x:-1", "cut:/x:y"),
        *("slow=0:/x:1", "slow=-1:/x:1", "refuse=1:/x:1", "cut=z:/x:1", "delay=nan:/x:1"),
    ],
)
def test_bad_rules(text: str) -> None:
    with pytest.raises(BadRule, match=re.escape(repr(text))):
        parse_rule(text)


def _told(host: Simulator, text: str) -> None:
    wait_until(lambda: re.search(rf"injected: {text}", host.log.read_text()), 10, text)


def test_refused_and_delayed(simulator: Start, tmp_path: Path) -> None:
    host = simulator(_table(tmp_path), "--inject=refuse:/t/one:1", "--inject=delay=0.4:/t/two:1")
    answer = requests.get(f"{host.url}/t/one", timeout=10)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    _told(host, r"refused \(/t/one, request [0-9a-f]{16}\)")
    started = time.monotonic()
    assert requests.get(f"{host.url}/t/two", timeout=10).text == "two\n"
    assert time.monotonic() - started >= 0.4
    _told(host, r"started 0.4 s late \(/t/two")


@pytest.mark.parametrize("route", ["one", "large", "steps"])
def test_cut(simulator: Start, tmp_path: Path, route: str) -> None:
    host = simulator(_table(tmp_path), "--inject=cut=60:*:1")
    parts = urlsplit(host.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as client:
        client.sendall(f"GET /t/{route} HTTP/1.1\r\n\r\n".encode())
        received = b""
        while data := client.recv(65536):
            received += data
    assert len(received) == 60
    _told(host, r"cut after 60 bytes")
    # The client has left, as far as the command's route is concerned.
    wait_until(lambda: f"t/{route} pid" in host.log.read_text(), 10)


def test_slow(simulator: Start, tmp_path: Path) -> None:
    host = simulator(_table(tmp_path), "--inject=slow=200:/t/one:1", "--inject=slow=1e6:/t/large:1")
    started = time.monotonic()
    assert requests.get(f"{host.url}/t/one", timeout=10).text == "one\n"
    assert time.monotonic() - started > 0.3  # some hundred bytes, head included
    assert requests.get(f"{host.url}/t/large", timeout=10).text == "x" * 200_000
    _told(host, r"slowed to 200 bytes a second")


def test_killed(simulator: Start, tmp_path: Path) -> None:
    host = simulator(_table(tmp_path), "--inject=kill=0.2:/t/steps:1")
    *_, last = requests.get(f"{host.url}/t/steps", timeout=10).iter_lines()
    assert b'"signal":"SIGKILL","reason":"signal"' in last
    _told(host, r"killed process \d+")


def test_nothing_without_a_rule(simulator: Start, tmp_path: Path) -> None:
    host = simulator(_table(tmp_path), "--inject=cut:/t/one:0", "--seed=3")
    for _ in range(20):
        assert requests.get(f"{host.url}/t/one", timeout=10).text == "one\n"
    assert "injected" not in host.log.read_text()
