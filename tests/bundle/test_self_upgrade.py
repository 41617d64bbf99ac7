"""Packager exchanges itself: by hand, over HTTP and by a profile, while it runs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from agentsim.suite.hosts.processes import wait_until

from tests.support.bundled_host import BundledHost, uses
from tests.support.bundles import NAME, Bundles, run
from tests.support.tar_archives import END, member
from tests.support.web_server import body, serve

OLD, NEW = f"{NAME}--1.0", f"{NAME}--2.0"
HELLO = member("bin/hello", b"#!/bin/sh\necho hello\n", mode=0o755) + END


@pytest.fixture
def host(bundles: Bundles, memory: Path) -> BundledHost:
    """A host that has version 1.0."""
    host = BundledHost(memory)
    host.installed(bundles.version("1.0"))
    return host


def collected(host: BundledHost, of: str | None = None) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(host.ok("packager", "gc", "--keep=1", "--format=json", of=of))
    return said


def test_by_hand_while_it_runs(bundles: Bundles, host: BundledHost) -> None:
    running = host.start("add", "--id=hello--1", "-")
    wait_until(lambda: uses(running.pid, host.root / "staging"), 30)
    host.ok("packager", "add", bundles.poisoned("2.0"))
    host.ok("packager", "swap", "--settle=0.001", NAME)
    assert host.version == "2.0"
    found = collected(host)
    assert (found["packages"], found["running"]) == ([], {OLD: [running.pid]})
    # What it still has to import is broken in the other version.
    assert running.communicate(gzip.compress(HELLO))[0].startswith(b"added hello--1 ")
    assert running.returncode == 0
    assert collected(host)["packages"] == [OLD]
    assert (
        host.run("packager", "add", "--id=other--1", "-", stdin=gzip.compress(HELLO)).returncode
        == 70
    )


def test_what_it_runs_from_it_does_not_take_away(bundles: Bundles, host: BundledHost) -> None:
    host.ok("packager", "add", "--id=hello--1", "-", stdin=HELLO)
    for words in (("deactivate", NAME), ("activate", "hello--1"), ("plan", "activate", "hello")):
        done = host.run("packager", *words)
        assert done.returncode == 73
        assert f"{OLD} is what packager itself runs from" in done.stderr.decode()
    host.ok("packager", "activate", "--settle=0.001", "--add", "hello--1")
    host.ok("packager", "add", bundles.version("2.0"))
    host.ok("packager", "swap", "--settle=0.001", NEW)
    found = collected(host, of=OLD)
    assert (found["packages"], list(found["running"])) == ([], [OLD])
    done = host.run("packager", "remove", OLD, of=OLD)
    assert done.returncode == 73
    assert f"{OLD} is what this command runs from" in done.stderr.decode()
    host.ok("packager", "remove", OLD)
    outside = host.top / "unpacked/bin/packager"
    assert host.active == ["hello--1", NEW]
    assert run([outside, "deactivate", "--settle=0.001", NAME], host.environment).returncode == 0
    assert not host.program("packager").exists()


def exit_code(stream: requests.Response) -> object:
    """What the exit record says; the text of anything else."""
    record = json.loads(stream.text.splitlines()[-1])
    return record.get("exit_code", stream.text)


def test_over_http_while_it_runs(
    bundles: Bundles, host: BundledHost, simulator: Callable[..., Any]
) -> None:
    table = host.top / "packager.json"
    text = (host.root / f"active/etc/{NAME}/routes/packager.json").read_text()
    table.write_text(text.replace("/opt/packager", str(host.root)))
    agent = simulator(table, *host.simulator_options)
    begun, go = host.top / "begun", host.top / "go"
    check = f"#!/bin/sh\ntouch {begun}\nuntil test -e {go}; do sleep 0.01; done\n"
    slow = member("check/slow", check.encode(), mode=0o755) + END
    host.ok("packager", "add", "--id=slow--1", "-", stdin=slow)
    host.ok("packager", "activate", "--settle=0.001", "--add", "slow--1")

    url = f"{agent.url}/packager"
    running = ThreadPoolExecutor(1).submit(requests.get, f"{url}/check?names=slow", timeout=60)
    wait_until(begun.exists, 30)
    with serve(body(bundles.version("2.0").read_bytes())) as web:
        assert exit_code(requests.post(f"{url}/add?url={web.url(f'/{NEW}.tar')}", timeout=60)) == 0
    assert exit_code(requests.post(f"{url}/swap?id={NEW}", timeout=60)) == 0
    assert host.version == "2.0"
    assert exit_code(requests.post(f"{url}/gc?keep=1", timeout=60)) == 0
    assert (host.root / "packages" / OLD).exists()
    go.touch()
    assert exit_code(running.result()) == 0
    assert exit_code(requests.post(f"{url}/gc?keep=1", timeout=60)) == 0
    assert not (host.root / "packages" / OLD).exists()


def apply(host: BundledHost, version: str, of: Path | None = None) -> tuple[int, str]:
    """Apply a profile with this version of packager; by the active provisioner, or that of a
    bundle that was unpacked at `of`."""
    document = {"profile": 1, "name": "host", "packages": [f"{NAME}--{version}"]}
    document["health"] = {"retries": 0, "interval": 0}
    program = host.program("provisioner") if of is None else of / "bin/provisioner"
    command: list[str | Path] = [program, "apply", "--settle=0.001", "-"]
    done = run(command, host.environment, stdin=json.dumps(document).encode())
    return done.returncode, done.stderr.decode()


@pytest.fixture
def shelf(bundles: Bundles, host: BundledHost) -> None:
    """A repository that has a version that works, and one that does not start here."""
    place = host.top / "shelf"
    place.mkdir()
    for archive in (bundles.version("2.0"), bundles.for_another_host("3.0")):
        (place / archive.name).symlink_to(archive)
    host.ok("packager", "index", place)
    config = f'[[repositories]]\nname = "main"\nurl = "{place}"\ntrust = "off"\n'
    (host.top / "etc/config.toml").write_text(config)


@pytest.mark.usefixtures("shelf")
def test_by_a_profile(host: BundledHost) -> None:
    assert apply(host, "2.0") == (0, "")
    assert (host.version, host.active) == ("2.0", [NEW])
    assert host.json("provisioner", "status")["in_sync"] is True
    code, said = apply(host, "3.0")
    assert code == 65
    assert f"{NAME}--3.0 does not work on this host, so {NEW} stays active; nothing was ch" in said
    assert "starts: this bundle is for Python" in said
    assert (host.version, host.active) == ("2.0", [NEW])
    assert host.json("provisioner", "status")["in_sync"] is True


@pytest.mark.usefixtures("shelf")
def test_the_gate_finds_what_does_not_start(host: BundledHost) -> None:
    outside = host.top / "unpacked"  # who is not exchanged by it tries nothing beforehand
    code, said = apply(host, "3.0", of=outside)
    assert code == 65
    assert "check mesos-packager--3.0 starts: exit code 78: starts: this bundle is for Py" in said
    assert "the host is as it was before: generation 1 is active" in said
    assert (host.version, host.active) == ("1.0", [OLD])


def test_by_hand_a_version_that_does_not_start_is_refused(
    bundles: Bundles, host: BundledHost
) -> None:
    host.ok("packager", "add", bundles.for_another_host("3.0"))
    before = sorted(host.root.rglob("*"))
    done = host.run("packager", "swap", f"{NAME}--3.0")
    assert done.returncode == 65
    assert "so mesos-packager--1.0 stays active; nothing was changed" in done.stderr.decode()
    assert sorted(host.root.rglob("*")) == before


def test_stores_of_a_newer_format_are_left_to_who_can_read_them(
    bundles: Bundles, host: BundledHost
) -> None:
    host.ok("packager", "add", bundles.version("2.0"))
    host.ok("packager", "swap", "--settle=0.001", NEW)
    host.ok("packager", "add", "--id=hello--1", "-", stdin=HELLO)
    assert "hello--1" in host.ok("packager", "list", of=OLD)  # the format is the same
    assert not (host.root / "format").exists()

    newer = f"{NAME}--3.0"
    host.ok("packager", "add", bundles.of_format("3.0", 2))
    host.ok("packager", "swap", "--settle=0.001", newer)
    assert not (host.root / "format").exists()  # it has written nothing yet
    host.ok("packager", "list", of=NEW)
    host.ok("packager", "add", "--id=other--1", "-", stdin=HELLO)
    assert (host.root / "format").read_text() == "2 3.0\n"
    before = sorted(host.root.rglob("*"))
    for program, *words in (
        ("packager", "list"),
        ("packager", "add", "--id=more--1", "-"),
        ("packager", "rollback"),
        ("packager", "gc"),
        ("provisioner", "status"),
        ("provisioner", "apply", "-"),
    ):
        done = host.run(program, *words, stdin=HELLO, of=NEW)
        assert done.returncode == 78, words
        assert done.stderr.decode() == (
            f"{program}: {host.root}: this store has format 2, and this is packager 2.0, which "
            "knows none after 1: use packager 3.0 or newer (nothing was changed)\n"
        )
    assert sorted(host.root.rglob("*")) == before
    assert "other--1" in host.ok("packager", "list")
    made = f"--output={host.top}/x.tar"
    host.ok("packager", "build", made, "--id=x--1", host.top / "tools", of=NEW)
    (host.root / "format").write_text("many\n")
    done = host.run("packager", "list")
    assert done.returncode == 65
    assert b"this is not what packager writes there" in done.stderr
