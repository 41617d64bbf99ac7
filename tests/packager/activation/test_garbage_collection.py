"""What `gc` takes: decided by numbers of generations, never by times; and nothing that runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.package_sets import add, look, ok, run

HOUR_NS = 3600 * 10**9


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    for number in range(1, 6):
        add(root, f"a--{number}", {"bin/a": f"a {number}\n"})
    ok(root, "activate", "a--1")
    return root


def collect(root: Path, keep: int = 1) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(ok(root, "gc", f"--keep={keep}", "--format=json"))
    return told


@pytest.mark.parametrize("hours", [1, -1])
def test_times_decide_nothing(hours: int, root: Path) -> None:
    """A clock that was ahead, or behind, when the generation or the package was made."""
    ok(root, "swap", "a--2")
    add(root, "new--1", {"bin/new": ""})
    for document in (*root.glob("history/*.json"), *root.glob("generations/*/generation.json")):
        now = document.stat().st_mtime_ns
        os.utime(document, ns=(now, now + hours * HOUR_NS))
    for record in root.glob("manifests/*"):
        now = record.stat().st_mtime_ns
        os.utime(record, ns=(now, now - hours * HOUR_NS))
    told = collect(root)
    assert told["packages"] == ["a--1", "a--3", "a--4", "a--5"]
    assert told["waiting"] == ["new--1"]
    ok(root, "activate", "--add", "new--1")
    ok(root, "deactivate", "new")
    assert collect(root)["packages"] == ["new--1"]


def test_what_came_before_there_was_any_generation_and_is_passed_over(root: Path) -> None:
    assert collect(root)["packages"] == ["a--2", "a--3", "a--4", "a--5"]


def test_numbers_that_go_down_again_take_nothing_that_waits(root: Path) -> None:
    ok(root, "swap", "a--2")
    ok(root, "swap", "a--3")
    add(root, "new--1", {"bin/new": ""})
    ok(root, "rollback", "1")
    assert collect(root)["kept"] == [1]  # 2 and 3 are forgotten, and come again
    add(root, "new--2", {"bin/new": ""})
    assert collect(root)["waiting"] == ["new--1", "new--2"]


def test_a_record_of_an_older_version_says_nothing_so_it_stays(root: Path) -> None:
    import hashlib

    for package_id in ("a--1", "a--5"):
        record = root / "manifests" / package_id
        lines = record.read_bytes().split(b"\n")
        head = json.loads(lines[0])
        del head["generation"]
        body = json.dumps(head, separators=(",", ":")).encode() + b"\n" + lines[1] + b"\n"
        digest = hashlib.sha256(body).hexdigest()
        record.write_bytes(body + b'{"sha256":"' + digest.encode() + b'"}\n')
    ok(root, "verify")
    ok(root, "swap", "a--2")
    told = collect(root)
    assert told["packages"] == ["a--1", "a--3", "a--4"]  # a generation has had a--1
    assert told["waiting"] == ["a--5"]


def test_activations_that_failed_do_not_displace_what_rollback_goes_back_to(root: Path) -> None:
    ok(root, "swap", "a--2")
    for number in (3, 4, 5):
        ok(root, "swap", f"a--{number}")
        ok(root, "rollback", "2")
    assert collect(root, 3)["kept"] == [1, 2, 5]
    assert collect(root, 2)["kept"] == [1, 2]
    ok(root, "rollback")
    assert look(root)["bin/a"] == "a 1\n"


@contextmanager
def running(*words: str | Path) -> Iterator[int]:
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"x\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"x\n"
        yield process.pid
        process.stdin.close()


@pytest.mark.parametrize("kind", ["program", "script"])
def test_what_a_process_executes_from_stays(kind: str, root: Path) -> None:
    cat = shutil.which("cat")
    assert cat
    script = "#!/bin/sh\nread x; echo $x; read x; exit 0\n"
    add(root, "cat--1", {"bin/cat": script})
    program = root / "packages/cat--1/bin/cat"
    program.chmod(0o755)
    if kind == "program":
        shutil.copy(cat, program)
    ok(root, "activate", "--add", "cat--1")
    with running(root / "active/bin/cat") as process:
        ok(root, "deactivate", "cat")
        told = json.loads(ok(root, "gc", "--keep=1", "--dry-run", "--format=json"))
        assert told["running"] == {"cat--1": [process]}
        said = run(root, "gc", "--keep=1")
        assert f"cat--1 stays: it is in use by process {process}\n" in said.stdout
        assert program.exists()
    told = collect(root)
    assert told["packages"] == ["cat--1"] and told["running"] == {}
