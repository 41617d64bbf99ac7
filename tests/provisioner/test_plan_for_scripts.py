"""What a script learns of a plan: whether anything would change, and whose host it takes over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.profile_host import Host, configuration, profile, template


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.add("web--1", {"bin/web": ""})
    return host


def document(**more: Any) -> dict[str, Any]:
    made = configuration(template("etc/x", "x"))
    return profile(packages=["web"], configuration=made, **more)


def plan(host: Host, made: dict[str, Any], *words: str) -> tuple[int, str]:
    done = host.run("plan", *words, "-", stdin=json.dumps(made).encode())
    return done.returncode, done.stdout.decode()


def test_the_exit_code(host: Host) -> None:
    assert plan(host, document(), "--exit-code")[0] == 2
    assert plan(host, document())[0] == 0
    host.applied(document())
    assert plan(host, document(), "--exit-code", "--format=json")[0] == 0
    (host.root / "active/etc/x").unlink()
    assert plan(host, document(), "--exit-code")[0] == 2
    assert plan(host, {**document(), "packages": ["gone"]}, "--exit-code")[0] == 66


def test_another_profile_takes_the_host_over(host: Host) -> None:
    code, said = plan(host, document())
    assert "take over" not in said
    host.applied(document())
    other = {**document(), "name": "db"}
    code, said = plan(host, other)
    assert code == 0
    row = next(line for line in said.splitlines() if "take over" in line)
    words = "profile take over db in place of web, whose configuration goes"
    assert " ".join(row.split()) == words
    assert json.loads(plan(host, other, "--format=json")[1])["takes_over"] == "web"
    assert json.loads(plan(host, document(), "--format=json")[1])["takes_over"] is None


def test_a_schema_for_editors_may_be_named(host: Host) -> None:
    made = {"$schema": "https://schemas.example/profile.schema.json", **document()}
    assert plan(host, made)[0] == 0
    assert plan(host, {**made, "$schema": 1})[0] == 65
