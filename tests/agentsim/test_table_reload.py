"""Tables that change under a running agent (ABI-LIFE-6)."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from agentsim.suite.hosts.processes import wait_until

from tests.conftest import Simulator
from tests.support.shell_table import shell_table

Start = Callable[..., Simulator]

SCRIPT = 'case $1 in hold) echo begun; read -r x < "$2"; echo "$x";; *) echo "$1";; esac'


def _version(directory: Path, number: int, **more: object) -> Path:
    route = {"path": "/v", "argv": [str(number)], "response": {"type": f"text/v{number}"}}
    hold = {
        "path": "/hold",
        "argv": ["hold", str(directory / "fifo")],
        "response": {"delivery": "stream"},
        "concurrency": 1,
    }
    return shell_table(directory, SCRIPT, {**route, **more}, hold)


def test_each_request_is_answered_by_one_table_and_none_is_lost(
    simulator: Start, tmp_path: Path
) -> None:
    host = simulator(_version(tmp_path, 1))

    def request(_: int) -> str:
        answer = requests.get(f"{host.url}/t/v", timeout=20)
        assert answer.status_code == 200
        number = answer.text.strip()
        assert answer.headers["Content-Type"] == f"text/v{number}"
        return number

    changes = 3
    seen: set[str] = set()
    with ThreadPoolExecutor(8) as pool:
        for number in range(2, 2 + changes):
            _version(tmp_path, number)
            before = host.log.read_text().count("has changed")
            while host.log.read_text().count("has changed") == before:
                seen |= set(pool.map(request, range(100)))
            seen |= set(pool.map(request, range(100)))
    assert seen == {str(number) for number in range(1, 2 + changes)}
    assert request(0) == str(1 + changes)


def test_a_bad_table_is_told_and_the_old_one_stays(simulator: Start, tmp_path: Path) -> None:
    table = _version(tmp_path, 1)
    other = shell_table(tmp_path, SCRIPT, {"path": "/v"}, name="other")
    host = simulator(table, other)
    for text, told in (
        ('{"abi": 2}', "t.json: /abi: this host speaks version 1 of the ABI only"),
        (other.read_text(), "t.json: /process: another table has the process id 'other'"),
        (None, "t.json: can't be read: No such file or directory"),
    ):
        if text is None:
            table.unlink()
        else:
            table.write_text(text)
        wait_until(lambda told=told: told in host.log.read_text(), 10, told)  # type: ignore[misc]
        assert requests.get(f"{host.url}/t/v", timeout=10).text == "1\n"
    _version(tmp_path, 2)
    wait_until(lambda: requests.get(f"{host.url}/t/v", timeout=10).text == "2\n", 10)


def test_what_runs_goes_on_by_its_old_rules_and_still_counts(
    simulator: Start, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    host = simulator(_version(tmp_path, 1))
    with requests.get(f"{host.url}/t/hold", stream=True, timeout=20) as running:
        lines = running.iter_lines()
        assert next(lines) == b"begun"
        _version(tmp_path, 2)
        wait_until(lambda: requests.get(f"{host.url}/t/v", timeout=10).text == "2\n", 10)
        # The one place of the route is taken by the command that runs since before.
        assert requests.get(f"{host.url}/t/hold", timeout=10).status_code == 503
        threading.Thread(target=lambda: fifo.write_text("end\n")).start()
        assert next(lines) == b"end"
        assert b'"exit_code":0' in next(lines)


def test_a_process_id_can_change(simulator: Start, tmp_path: Path) -> None:
    table = _version(tmp_path, 1)
    host = simulator(table)
    table.write_text(table.read_text().replace('"process": "t"', '"process": "u"'))
    wait_until(lambda: requests.get(f"{host.url}/u/v", timeout=10).status_code == 200, 10)
    assert requests.get(f"{host.url}/t/v", timeout=10).status_code == 404
    assert "u" in requests.get(f"{host.url}/help?format=json", timeout=10).text


def test_two_tables_may_change_their_process_ids_one_after_the_other(
    simulator: Start, tmp_path: Path
) -> None:
    one = shell_table(tmp_path, SCRIPT, {"path": "/v", "argv": ["one"]}, name="a")
    other = shell_table(tmp_path, SCRIPT, {"path": "/v", "argv": ["other"]}, name="b")
    host = simulator(one, other)
    text = one.read_text()
    one.write_text(text.replace('"a"', '"b"', 1))
    wait_until(lambda: "another table has the process id 'b'" in host.log.read_text(), 20)
    other.write_text(other.read_text().replace('"b"', '"c"', 1))
    wait_until(lambda: requests.get(f"{host.url}/b/v", timeout=10).text == "one\n", 20)
    assert requests.get(f"{host.url}/c/v", timeout=10).text == "other\n"


def test_a_table_behind_a_link_that_moves(simulator: Start, tmp_path: Path) -> None:
    """So configuration is mounted: `t.json -> ..data/t.json`, `..data -> ..2026_1`."""
    for number in (1, 2):
        (tmp_path / f"..2026_{number}").mkdir()
        _version(tmp_path / f"..2026_{number}", number)
    data, table = tmp_path / "..data", tmp_path / "t.json"
    data.symlink_to("..2026_1")
    table.symlink_to("..data/t.json")
    host = simulator(table)
    assert requests.get(f"{host.url}/t/v", timeout=10).text == "1\n"
    (tmp_path / "..data_tmp").symlink_to("..2026_2")
    (tmp_path / "..data_tmp").replace(data)
    shutil.rmtree(tmp_path / "..2026_1")
    wait_until(lambda: requests.get(f"{host.url}/t/v", timeout=10).text == "2\n", 30)


def test_a_table_that_becomes_something_else(simulator: Start, tmp_path: Path) -> None:
    table = _version(tmp_path, 1)
    host = simulator(table)
    table.unlink()
    os.mkfifo(table)
    wait_until(lambda: "it is not a regular file" in host.log.read_text(), 30)
    assert requests.get(f"{host.url}/t/v", timeout=10).text == "1\n"
