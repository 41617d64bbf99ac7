"""The page of a cluster in a browser: agents by zone and state, a search, their requests."""

from __future__ import annotations

from pathlib import Path

import requests

from tests.support.chromium import browser
from tests.support.cluster_process import cluster_process
from tests.support.shell_table import shell_table

HTML = {"Accept": "text/html,application/xhtml+xml"}


def test_only_a_browser_finds_the_page(tmp_path: Path) -> None:
    with cluster_process(tmp_path, "--agents=1", "--time-scale=0.02") as cluster:
        page = cluster.ask("GET", "/", headers=HTML)
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        for headers in ({}, {**HTML, "Host": "evil.example"}):
            assert cluster.ask("GET", "/", headers=headers).status_code in (403, 404)
        feed = {"Accept": "application/x-ndjson", "Sec-Fetch-Site": "cross-site"}
        assert cluster.ask("GET", "/", headers=feed).status_code in (403, 404)


def test_the_page_in_a_browser(tmp_path: Path) -> None:
    table = shell_table(tmp_path, "echo one", {"path": "/one", "response": {"type": "text/plain"}})
    options = ("--agents=6", "--time-scale=0.02", "--domain=eu/z1|z2")
    with cluster_process(tmp_path, str(table), *options) as cluster:
        cluster.wait(lambda: cluster.active() == 6, "6 active agents")
        with browser(tmp_path / "profile") as tab:
            tab.open(cluster.url)
            tab.wait("document.getElementById('totals').textContent === '6 agents: 6 registered'")
            assert cluster.tell("inject", fault="unreachable:zone=z2").ok
            totals = "6 agents: 3 dead, 3 registered"
            tab.wait(f"document.getElementById('totals').textContent === '{totals}'")
            zones = tab.run("document.getElementById('zones').innerText")
            assert zones.split() == ["eu/z1", "0", "3", "eu/z2", "3", "0"]
            tab.run(
                "(() => { const s = document.getElementById('search'); s.value = 'z2 0004';"
                " s.dispatchEvent(new Event('input')); })()"
            )
            found = tab.run("document.getElementById('agents').innerText")
            assert found.split()[0] == "sim-0004"
            assert tab.run("document.getElementById('found').textContent") == "1 found"
            address = cluster.agents()[0]["address"]
            assert requests.get(f"http://{address}/t/one", timeout=20).ok
            tab.wait("document.getElementById('requests').innerText.includes('GET /t/one')")
            assert "sim-0001" in tab.run("document.getElementById('requests').innerText")
