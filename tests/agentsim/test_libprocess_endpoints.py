"""What every libprocess answers besides routes; `agentsim routes`, which reads it back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from agentsim.core.route_description import describe, from_help, help_lines, summary
from agentsim.core.route_table import parse
from agentsim.simulator.help_pages import markdown, pages

from tests.conftest import Simulator
from tests.support.shell_table import shell_table

ROOT = Path(__file__).parents[2]
PACKAGER = ROOT / "module" / "routes" / "packager.json"
CURL = {"User-Agent": "curl/7.88.1"}

Start = Callable[..., Simulator]


@pytest.fixture
def host(simulator: Start, tmp_path: Path) -> Simulator:
    table = shell_table(
        tmp_path,
        '[ "$1" = fail ] && exit 65; [ "$1" = slow ] && exec sleep 60; echo done',
        {
            "path": "/list.json",
            "help": "Lists <b>.",
            "parameters": {
                "id": {"in": "path", "type": "string", "required": True, "help": "Which  one."},
                "odd": {"type": "enum", "values": ["a", "b  c", "d: e"]},
            },
            "argv": ["list", "--odd={odd}", "--", "{id}"],
            "realm": "r",
        },
        {"path": "/fail"},
        {"path": "/slow", "timeout": 0.1},
    )
    return simulator(table)


def test_help_is_markdown_for_curl_and_html_for_browsers(host: Simulator) -> None:
    text = requests.get(f"{host.url}/help", headers=CURL, timeout=10)
    assert text.headers["Content-Type"] == "text/x-markdown"
    assert text.text.startswith("## HELP\n> [/logging][logging]\n> [/metrics][metrics]\n")
    assert text.text.endswith("[system]: help/system\n[t]: help/t\n")
    page = requests.get(f"{host.url}/help/t/list.json", timeout=10)
    assert page.headers["Content-Type"] == "text/html"
    assert "Lists &lt;b&gt;." in page.text
    page = requests.get(f"{host.url}/help/t/list.json", headers=CURL, timeout=10)
    assert page.text.splitlines() == [
        *("### USAGE ###", ">        /t/list.json", "", "### TL;DR; ###", "Lists <b>.", ""),
        *(
            "### DESCRIPTION ###",
            "GET: answers whole as application/json, in 60 s at most, realm r.",
        ),
        "",
        ">        /VALUE (id)    required string, 1 to 4096 bytes  Which  one.",
        '>        odd=VALUE      one of a, "b \\u0020c", "d: e"',
        ">        timeout=VALUE  number of seconds                 A shorter time-out.",
        *("", "", "### AUTHENTICATION ###"),
        *("This endpoint requires authentication iff HTTP authentication is", "enabled.", ""),
    ]


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("/help/t/none", 400, "No help available for '/t/none'.\n"),
        ("/help/t/list.json/", 400, "No help available for '/t/list.json/'.\n"),
        ("/help/nobody", 404, "404 Not Found."),
        ("/help/help", 404, "404 Not Found."),
        ("/logging/toggle", 200, "0\n"),
        ("/logging/toggle?level=3", 400, "Expecting 'duration=value' in query.\n"),
        ("/logging/toggle?duration=1secs", 400, "Expecting 'level=value' in query.\n"),
        ("/logging/toggle?level=x&duration=1secs", 400, "Failed to convert 'x' to number.\n"),
        ("/logging/toggle?level=-1&duration=1secs", 400, "Invalid level '-1'.\n"),
        ("/logging/toggle?level=0&duration=1", 400, "Invalid duration '1'.\n"),
        ("/logging/toggle?level=0&duration=1x", 400, "Unknown duration unit 'x'.\n"),
        ("/metrics/snapshot?timeout=", 400, "Invalid timeout '': Invalid duration ''.\n"),
        (
            "/metrics/snapshot?timeout=-1secs",
            400,
            "Invalid timeout '-1secs': Failed to convert '' to number.\n",
        ),
        ("/metrics", 404, "404 Not Found."),
        ("/__processes__/x", 404, "404 Not Found."),
        ("/state", 404, "404 Not Found."),
    ],
)
def test_words_of_libprocess(host: Simulator, target: str, status: int, text: str) -> None:
    answer = requests.get(host.url + target, timeout=10)
    assert (answer.status_code, answer.text) == (status, text)


def test_the_logging_level_goes_back(host: Simulator) -> None:
    toggle = f"{host.url}/logging/toggle"
    assert requests.get(f"{toggle}?level=2&duration=300ms", timeout=10).content == b""
    assert requests.get(toggle, timeout=10).text == "2\n"
    deadline = time.monotonic() + 10
    while requests.get(toggle, timeout=10).text != "0\n":
        assert time.monotonic() < deadline


def _metrics(host: Simulator) -> dict[str, float]:
    answer = requests.get(f"{host.url}/metrics/snapshot", timeout=10)
    assert list(answer.json()) == sorted(answer.json())
    return {k: v for k, v in answer.json().items() if isinstance(v, float)}


def test_metrics_count_what_routes_do(host: Simulator) -> None:
    for target in ("list.json/x", "list.json/x", "list.json", "fail", "slow", "fail?x=1"):
        requests.get(f"{host.url}/t/{target}", timeout=10)
    found = _metrics(host)
    assert found["system/cpus_total"] > 0
    told = {k.removeprefix("commands/t/"): v for k, v in found.items() if "/t/" in k and v}
    assert told == {
        "list.json/GET/started": 2,
        "list.json/GET/refused": 1,
        "fail/GET/started": 1,
        "fail/GET/failed": 1,
        "fail/GET/refused": 1,
        "slow/GET/started": 1,
        "slow/GET/failed": 1,
    }
    assert {"commands/t/list.json/GET/running", "commands/t/list.json/GET/waiting"} <= set(found)


def test_snapshots_are_given_twice_a_second(host: Simulator) -> None:
    started = time.monotonic()
    for _ in range(3):
        _metrics(host)
    assert time.monotonic() - started >= 1.0


def test_realms_guard_what_they_guard_in_an_agent(simulator: Start, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("ops secret\n")
    host = simulator(
        shell_table(tmp_path, "echo", {"path": "/x"}), f"--credentials={tmp_path / 'credentials'}"
    )
    for target, realm in (("/metrics/snapshot", "readonly"), ("/logging/toggle", "readwrite")):
        refused = requests.get(host.url + target, timeout=10)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == f'Basic realm="mesos-agent-{realm}"'
        assert (
            requests.get(host.url + target, auth=("ops", "secret"), timeout=10).status_code == 200
        )
    for target in ("/help", "/system/stats.json", "/__processes__"):
        assert requests.get(host.url + target, timeout=10).status_code == 200


# -- agentsim routes --------------------------------------------------------------------------


def _routes(*sources: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "agentsim", "routes", "--format=json", *sources],
        capture_output=True,
        check=True,
    )
    return list(json.loads(done.stdout)["routes"])


def test_an_agent_tells_the_routes_of_its_tables(simulator: Start) -> None:
    host = simulator(PACKAGER)
    told = [route for route in _routes(host.url) if route["process"] == "packager"]
    assert told == sorted(_routes(str(PACKAGER)), key=lambda route: str(route["path"]))
    assert told


def test_help_pages_can_be_read_back() -> None:
    table = parse(PACKAGER.read_bytes(), "packager.json")
    for path in {route.path for route in table.routes}:
        routes = [route for route in table.routes if route.path == path]
        page = markdown(pages([table]), "packager", path[1:])
        assert page is not None
        assert summary(routes) in page
        assert "\n".join(help_lines(routes)) in page
        assert from_help("packager", path, page) == [describe(route) for route in routes]


def test_the_table_for_people(tmp_path: Path) -> None:
    table = shell_table(
        tmp_path,
        "echo",
        {"path": "/a", "help": "Does \u009b1m a."},
        {"path": "/longer", "method": ["GET", "PUT"], "response": {"delivery": "stream"}},
    )
    command = [sys.executable, "-m", "agentsim", "routes"]
    shown = subprocess.run([*command, str(table)], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines() == [
        "METHOD   PATH       ANSWER                       SECONDS  HELP",
        "GET      /t/a       whole application/json       60       Does \\x9b1m a.",
        "GET,PUT  /t/longer  stream application/x-ndjson  60",
    ]
    for source, status in (
        (tmp_path / "none", 66),
        (tmp_path / "t.sh", 65),
        ("http://[::1]:1", 69),
    ):
        failed = subprocess.run(
            [*command, str(source)], capture_output=True, text=True, check=False
        )
        assert (failed.returncode, failed.stdout) == (status, "")
        assert "Traceback" not in failed.stderr
