"""Provisioning over HTTP: the project's own table, on a simulated agent."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.conftest import Simulator
from tests.support.package_sets import archive
from tests.support.provisioner_machine import Machine, profile
from tests.support.repository_site import configuration, site

ROUTES = Path(__file__).parents[2] / "module" / "routes"
WEB = {
    "packages": ["hello"],
    "configuration": {
        "values": {"port": 8080},
        "secrets": {"word": "swordfish"},
        "files": [
            {"path": "etc/hello.conf", "template": "port = {{ values.port }}\n"},
            {"path": "etc/hello.key", "template": "{{ secrets.word }}\n", "mode": "0600"},
        ],
    },
    "health": {"checks": False, "retries": 0},
}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "hello--1.tar").write_bytes(archive({"bin/hello": "hello\n"}))
    machine.packager("index", shelf)
    with site(shelf) as served:
        repository: dict[str, object] = {"name": "main", "url": served.url, "trust": "off"}
        configuration(machine.config / "config.toml", repository)
        yield machine


@pytest.fixture
def url(machine: Machine, simulator: Callable[..., Simulator]) -> str:
    variables = {
        **machine.environment,
        "PATH": f"{Path(sys.executable).parent}:{machine.tools.path()}",
    }
    given = [f"--environment={name}={value}" for name, value in variables.items()]
    return simulator(ROUTES / "provisioner.json", ROUTES / "packager.json", *given).url


def events(answer: requests.Response) -> list[dict[str, object]]:
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_profile_is_applied_drifts_and_is_repaired(url: str, machine: Machine) -> None:
    here = f"{url}/provisioner"
    assert requests.get(f"{here}/status.json", timeout=60).status_code == 404
    body = profile(**WEB)
    told = requests.post(f"{here}/plan.json", data=body, timeout=60).json()
    assert (told["changed"], [each["id"] for each in told["fetch"]]) == (True, ["hello--1"])
    assert not (machine.root / "active").exists()

    answer = requests.post(f"{here}/apply", data=body, timeout=60)
    assert answer.status_code == 200
    *steps, record = events(answer)
    assert record["exit_code"] == 0
    assert steps[-1]["event"] == "applied" and steps[-1]["changed"] is True
    assert {"resolved", "rendered", "switched"} <= {each["event"] for each in steps}
    assert requests.get(f"{here}/status.json", timeout=60).json()["in_sync"] is True
    answer = requests.post(f"{here}/apply", data=body, timeout=60)
    assert [each.get("changed") for each in events(answer)] == [False, None]

    (machine.root / "active/etc/hello.conf").write_text("port = 9090\n")
    for query in ("", "?quick=true"):
        found = requests.get(f"{here}/status.json{query}", timeout=60).json()
        assert found["in_sync"] is False
        assert [each["subject"] for each in found["differences"]] == ["etc/hello.conf"]
    answer = requests.post(f"{here}/repair", timeout=60)
    assert events(answer)[-1]["exit_code"] == 0
    assert "repaired" in [each.get("event") for each in events(answer)]
    assert (machine.root / "active/etc/hello.conf").read_text() == "port = 8080\n"
    assert requests.get(f"{here}/status.json", timeout=60).json()["in_sync"] is True

    other = {**WEB, "configuration": {"files": [{"path": "etc/hello.conf", "content": "x"}]}}
    assert requests.post(f"{here}/apply", data=profile(**other), timeout=60).status_code == 200
    assert (machine.root / "active/etc/hello.conf").read_text() == "x"
    answer = requests.post(f"{here}/rollback", timeout=60)
    assert events(answer)[-1]["exit_code"] == 0
    assert (machine.root / "active/etc/hello.conf").read_text() == "port = 8080\n"
    runs = requests.get(f"{here}/history.json", timeout=60).json()["runs"]
    assert [each["command"] for each in runs] == ["apply", "apply", "apply", "rollback"]
    assert runs[-1]["request_id"] == events(answer)[-1]["request_id"]
    found = requests.get(f"{here}/facts.json", timeout=60).json()
    assert found["profile"]["name"] == "web"


def test_a_status_that_can_not_be_told_is_no_report(url: str, machine: Machine) -> None:
    here = f"{url}/provisioner"
    assert requests.post(f"{here}/apply", data=profile(**WEB), timeout=60).status_code == 200
    (machine.root / "provisioner/applied/record.json").write_text("{")
    answer = requests.get(f"{here}/status.json", timeout=60)
    assert (answer.status_code, answer.json()["exit_code"]) == (500, 65)
    assert "record.json" in answer.json()["stderr"]


def test_no_secret_is_told(url: str, machine: Machine) -> None:
    here = f"{url}/provisioner"
    body = profile(**WEB)
    said = [
        requests.post(f"{here}/{each}", data=body, timeout=60) for each in ("plan.json", "apply")
    ]
    (machine.root / "active/etc/hello.key").write_text("swordfish, edited\n")
    reads = ("status.json", "history.json", "facts.json")
    said += [requests.get(f"{here}/{each}", timeout=60) for each in reads]
    said.append(requests.post(f"{here}/repair", timeout=60))
    assert said[2].json()["in_sync"] is False
    for answer in said:
        assert "swordfish" not in answer.text
    assert (machine.root / "active/etc/hello.key").read_text() == "swordfish\n"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("apply", b"", 400),
        ("apply", b"{", 400),
        ("plan.json", b"name: x", 400),
        ("plan.json", profile(packages=["nobody"]), 404),
        ("apply", b"x" * (4 << 20) + b"x", 413),
        ("repair", b"", 404),
        ("rollback", b"", 404),
        ("rollback?run=7", b"", 404),
        ("rollback?run=0", b"", 400),
        ("apply?sha256=x", b"", 400),
    ],
)
def test_refusals(path: str, body: bytes, status: int, url: str, machine: Machine) -> None:
    answer = requests.post(f"{url}/provisioner/{path}", data=body, timeout=60)
    assert answer.status_code == status, answer.text
    assert not (machine.root / "active").exists()


def test_what_may_read_and_fetch_at_will_needs_the_right_to_write() -> None:
    """A profile in a body names files and servers, which the agent then asks as root."""
    table = json.loads((ROUTES / "provisioner.json").read_text())
    for route in table["routes"]:
        realm = route.get("realm", table["defaults"]["realm"])
        reads = route["method"] == "GET"
        assert realm == ("mesos-agent-readonly" if reads else "mesos-agent-readwrite")


def test_packages_are_repaired(url: str, machine: Machine) -> None:
    here = f"{url}/packager"
    assert requests.post(f"{here}/fetch?ids=hello", timeout=60).status_code == 200
    (machine.root / "packages/hello--1/bin/hello").write_text("changed")
    assert requests.get(f"{here}/verify.json", timeout=60).json()["ok"] is False
    told = events(requests.post(f"{here}/repair", timeout=60))
    assert {"event": "repaired", "id": "hello--1"} in told
    assert requests.get(f"{here}/verify.json", timeout=60).json()["ok"] is True
