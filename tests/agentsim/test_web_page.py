"""The page at `/`: who gets it, what it shows, and that nothing hostile becomes markup."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.conftest import Simulator
from tests.support.chromium import browser

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">"
HTML = {"Accept": "text/html,application/xhtml+xml"}
FEED = {"Accept": "application/x-ndjson"}

Start = Callable[..., Simulator]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Routes of a command that repeats what is hostile, a line a turn."""
    command = tmp_path / "command"
    command.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = stream ]; then\n'
        """  for n in 1 2 3; do echo "{\\"event\\":\\"step\\",\\"n\\":$n}"; sleep 0.2; done\n"""
        '  echo "$3" >&2; exit 3\n'
        "fi\n"
        'printf "%s\\n" "$@"\n'
    )
    command.chmod(0o755)
    text = {"type": "string", "help": HOSTILE}
    path = tmp_path / "table.json"
    path.write_text(
        json.dumps(
            {
                "abi": 1,
                "process": "page",
                "command": [str(command)],
                "defaults": {"response": {"type": "text/plain"}},
                "routes": [
                    {
                        "path": "/stream",
                        "method": ["GET", "POST"],
                        "argv": ["stream", "--", "{text}"],
                        "parameters": {"text": text},
                        "response": {"delivery": "stream", "type": "application/x-ndjson"},
                        "help": "Counts to three.",
                    },
                    {
                        "path": "/all",
                        "method": "GET",
                        "argv": ["{flag}", "--n={n}", "--mode={mode}", "--", "{ids}"],
                        "parameters": {
                            "flag": {"type": "boolean", "flag": "--flag"},
                            "n": {"type": "integer", "minimum": 1, "maximum": 9},
                            "mode": {"type": "enum", "values": ["plain", HOSTILE]},
                            "ids": {"type": "list", "items": {"type": "string"}},
                        },
                        "help": HOSTILE,
                    },
                ],
            }
        )
    )
    return path


def _feed(simulator: Simulator, **headers: str) -> dict[str, object]:
    with requests.get(
        simulator.url + "/", headers={**FEED, **headers}, stream=True, timeout=10
    ) as answer:
        answer.raise_for_status()
        return dict(json.loads(next(answer.iter_lines())))


def test_only_a_browser_finds_it(simulator: Start, table: Path) -> None:
    host = simulator(table)
    agent = requests.get(host.url + "/", timeout=10)
    assert (agent.status_code, agent.text) == (404, "404 Not Found.")
    page = requests.get(host.url + "/", headers=HTML, timeout=10)
    assert page.status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.findall(r"""(?:src|href|action)\s*=\s*["']?(?!data:)\w""", page.text)
    for method in ("POST", "HEAD", "PUT"):
        answer = requests.request(method, host.url + "/", headers=HTML, timeout=10)
        assert answer.status_code == 404
    assert requests.get(host.url + "/page", headers=HTML, timeout=10).status_code == 404


def test_can_be_left_out(simulator: Start, table: Path) -> None:
    host = simulator(table, "--no-page")
    assert requests.get(host.url + "/", headers=HTML, timeout=10).status_code == 404
    assert requests.get(host.url + "/", headers=FEED, timeout=10).status_code == 404


@pytest.mark.parametrize(("accept", "status"), [(HTML, 404), (FEED, 403)])
def test_no_foreign_name_leads_there(
    simulator: Start, table: Path, accept: dict[str, str], status: int
) -> None:
    host = simulator(table, "--allow-host=agent.example")
    foreign = {**accept, "Host": "rebound.example:5051"}
    assert requests.get(host.url + "/", headers=foreign, timeout=10).status_code == status
    allowed = {**accept, "Host": "agent.example:5051"}
    with requests.get(host.url + "/", headers=allowed, timeout=10, stream=True) as answer:
        assert answer.status_code == 200


def test_other_sites_scripts_get_no_feed(simulator: Start, table: Path) -> None:
    host = simulator(table)
    for site, status in (("cross-site", 403), ("same-site", 403), ("none", 404)):
        headers = {**FEED, "Sec-Fetch-Site": site}
        assert requests.get(host.url + "/", headers=headers, timeout=10).status_code == status


def test_the_page_opens_by_a_link_of_another_site(simulator: Start, table: Path) -> None:
    host = simulator(table)
    headers = {**HTML, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
    answer = requests.get(host.url + "/", headers=headers, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_feed_asks_for_credentials_where_the_routes_do(
    simulator: Start, table: Path, tmp_path: Path
) -> None:
    secrets = tmp_path / "credentials"
    secrets.write_text("ops secret\n")
    host = simulator(table, f"--credentials={secrets}")
    assert requests.get(host.url + "/", headers=FEED, timeout=10).status_code == 401
    encoded = base64.b64encode(b"ops:secret").decode()
    assert _feed(host, Authorization=f"Basic {encoded}")["routes"]


def test_feed_tells_routes_requests_and_counters(simulator: Start, table: Path) -> None:
    host = simulator(table)
    requests.get(host.url + "/page/all", params={"n": "7", "flag": "1"}, timeout=10)
    requests.get(host.url + "/page/all", params={"n": "10"}, timeout=10)
    told = _feed(host)
    routes = told["routes"]
    assert isinstance(routes, list)
    assert [route["path"] for route in routes] == ["/page/stream", "/page/all"]
    seen = told["requests"]
    assert isinstance(seen, list)
    assert [r["status"] for r in seen] == [200, 400]
    assert (seen[0]["output"], seen[0]["exit_code"]) == ("--flag\n--n=7\n--\n", 0)
    counters = told["counters"]
    assert isinstance(counters, dict)
    assert counters["commands/page/all/GET/started"] == 1
    assert counters["commands/page/all/GET/refused"] == 1


def test_in_a_browser(simulator: Start, table: Path, tmp_path: Path) -> None:
    host = simulator(table)
    with browser(tmp_path / "profile") as page:
        page.open(host.url + "/")
        page.wait("document.querySelectorAll('.route').length === 2")
        # A form runs its route; its events arrive one by one, then how the command ended.
        page.run("document.querySelector('.route').open = true")
        page.run("document.querySelector('.route .parameters input').focus()")
        page.call("Input.insertText", text=HOSTILE)
        page.run("document.querySelector('.route button[type=submit]').click()")
        page.wait("document.querySelector('.route .output').textContent.includes('step')")
        page.wait("document.querySelector('.request .state').textContent === 'running'")
        outcome = page.wait(
            "((text) => text.includes('exit 3') && text)"
            "(document.querySelector('.route .outcome').textContent)"
        )
        assert outcome.startswith("200 OK, exit 3, ")
        page.wait("document.querySelector('.request .state').textContent === 'exit 3'")
        # The table changes, and its routes with it; what is typed stays.
        shown = page.run("document.querySelector('.route .shell').textContent")
        assert shown.startswith(f"agentsim call GET '{host.url}/page/stream?text=")
        table.write_text(table.read_text().replace("/all", "/every"))
        page.wait(
            "[...document.querySelectorAll('.path')].some(p => p.textContent === '/page/every')"
        )
        assert page.run("document.querySelector('.route .parameters input').value") == HOSTILE
        # Nothing of all that has become markup, and nothing was refused or thrown.
        assert page.run("document.title") == "Simulated agent"
        assert page.run("document.querySelectorAll('img').length") == 0
        assert HOSTILE in page.run("document.querySelector('.request .stderr').textContent")
        assert page.complaints() == []


def test_every_control_has_a_name(simulator: Start, table: Path, tmp_path: Path) -> None:
    host = simulator(table)
    with browser(tmp_path / "profile") as page:
        page.open(host.url + "/")
        page.wait("document.querySelectorAll('.route').length === 2")
        page.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        nodes = page.call("Accessibility.getFullAXTree")["nodes"]
        controls = ("textbox", "button", "checkbox", "combobox", "spinbutton")
        names = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if node.get("role", {}).get("value") in controls
        ]
        assert len(names) > 10
        assert [role for role, name in names if not name.strip()] == []


def test_credentials_are_typed_into_the_page(simulator: Start, table: Path, tmp_path: Path) -> None:
    document = json.loads(table.read_text())
    document["defaults"]["realm"] = "guarded"
    table.write_text(json.dumps(document))
    secrets = tmp_path / "credentials"
    secrets.write_text("ops süß\n")
    host = simulator(table, f"--credentials={secrets}")
    with browser(tmp_path / "profile") as page:
        page.open(host.url + "/")
        page.wait("document.getElementById('connection').textContent.includes('credentials')")
        assert page.run("document.querySelectorAll('.route').length") == 0
        for name, text in (("principal", "ops"), ("secret", "süß")):
            page.run(f"document.getElementById('{name}').focus()")
            page.call("Input.insertText", text=text)
        page.wait("document.querySelectorAll('.route').length === 2")
        page.run("document.querySelectorAll('.route')[1].querySelector('button').click()")
        page.wait(
            "document.querySelectorAll('.route')[1].querySelector('.outcome')"
            ".textContent.startsWith('200 OK')"
        )
        page.wait("document.querySelector('.request .facts').textContent.includes('by ops')")
