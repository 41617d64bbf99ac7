"""Profiles that include others: host over group over all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from provisioner.profile.layers import lay_over

from tests.support.profile_host import Host

ALL = """\
profile: 1
roles: [agent]
packages: [base, db]
configuration:
  values: {port: 80, tls: {version: 1.2, ciphers: [a, b]}, only_all: true}
  secrets: {pin: "4711"}
  files:
    - {path: etc/x, template: "{{ values.port }} {{ values.tls | tojson }}"}
    - {path: etc/all, content: all}
health: {checks: false, retries: 0, interval: 0}
"""
GROUP = """\
profile: 1
include: [all.yaml]
roles: [web]
packages: ["db>=1"]
configuration:
  values: {port: 8080, tls: {ciphers: [c]}}
  files: [{path: etc/group, content: group}]
"""
HOST = """\
profile: 1
name: host
include: [layers/group.yaml]
configuration:
  values: {tls: {version: 1.3}}
  files: [{path: etc/all, content: host}]
"""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.add("base--1", {"bin/base": ""})
    host.add("db--1", {"bin/db": ""})
    (tmp_path / "layers").mkdir()
    for name, text in (("layers/all", ALL), ("layers/group", GROUP), ("host", HOST)):
        (tmp_path / f"{name}.yaml").write_text(text)
        (tmp_path / f"{name}.yaml").chmod(0o600)
    return host


def shown(host: Host, *words: str | Path, stdin: bytes = b"") -> dict[str, Any]:
    done = host.run("show", *words, stdin=stdin)
    assert done.returncode == 0, done.stderr.decode()
    assert b"4711" not in done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def refused(host: Host, text: str, code: int = 65) -> str:
    (host.top / "host.yaml").write_text(text)
    done = host.run("plan", host.top / "host.yaml")
    assert done.returncode == code
    return done.stderr.decode()


def test_host_over_group_over_all(host: Host) -> None:
    document = shown(host, host.top / "host.yaml")
    assert document == {
        "profile": 1,
        "name": "host",
        "roles": ["agent", "web"],
        "packages": ["base", "db>=1"],
        "configuration": {
            "values": {
                "port": 8080,
                "tls": {"version": 1.3, "ciphers": ["c"]},
                "only_all": True,
            },
            "secrets": {"pin": "…"},
            "files": [
                {"path": "etc/x", "template": "{{ values.port }} {{ values.tls | tojson }}"},
                {"path": "etc/all", "content": "host"},
                {"path": "etc/group", "content": "group"},
            ],
        },
        "health": {"checks": False, "retries": 0, "interval": 0},
    }


def test_a_layered_profile_is_applied_and_kept_resolved(host: Host) -> None:
    path = host.top / "host.yaml"
    plan = host.json("plan", path)
    layers = [str(host.top / "layers" / name) for name in ("all.yaml", "group.yaml")]
    assert plan["layers"] == layers
    assert host.json("apply", path)["changed"] is True
    assert host.read("etc/x") == '8080 {"ciphers": ["c"], "version": 1.3}'
    assert (host.read("etc/all"), host.read("etc/group")) == ("host", "group")
    assert host.json("apply", path)["changed"] is False
    assert shown(host)["packages"] == ["base", "db>=1"]  # the applied one
    group = host.top / "layers/group.yaml"
    group.write_text(GROUP.replace("8080", "8081"))
    assert host.json("plan", path)["changed"] is True
    assert host.json("apply", path)["changed"] is True
    assert host.read("etc/x").startswith("8081")
    group.unlink()  # what is applied does not need its layers any more
    (host.root / "active/etc/x").unlink()
    assert host.json("apply")["changed"] is True
    assert host.json("status")["in_sync"] is True


def test_a_mistake_is_told_with_the_file_that_has_it(host: Host) -> None:
    group = host.top / "layers/group.yaml"
    group.write_text(GROUP + "colour: red\n")
    assert f"{group}: the profile: colour is not known" in refused(host, HOST)
    group.write_text("a: [")
    assert f"{group}: line 2, column 1: not YAML" in refused(host, HOST)
    group.write_text(GROUP.replace("all.yaml", "gone.yaml"))
    assert "gone.yaml: there is no such file" in refused(host, HOST, 66)
    group.write_text(GROUP)
    assert "name must be there" in refused(host, HOST.replace("name: host\n", ""))
    assert "include[0]: it should be a path" in refused(
        host, HOST.replace("layers/group.yaml", "''")
    )


def test_a_circle_is_refused(host: Host) -> None:
    (host.top / "layers/all.yaml").write_text("profile: 1\ninclude: [group.yaml]\n")
    words = f"{host.top}/layers/all.yaml: include[0]: group.yaml includes itself"
    assert words in refused(host, HOST)


def test_a_profile_in_no_file_includes_absolute_paths_only(host: Host) -> None:
    done = host.run("show", "-", stdin=HOST.encode())
    assert done.returncode == 65
    assert b"include[0]: layers/group.yaml is relative, and this profile is in no file" in (
        done.stderr
    )
    absolute = HOST.replace("layers/", f"{host.top}/layers/")
    assert shown(host, "-", stdin=absolute.encode())["name"] == "host"


def test_a_layer_with_secrets_that_everybody_can_read_is_warned_of(host: Host) -> None:
    (host.top / "layers/all.yaml").chmod(0o644)
    done = host.run("show", host.top / "host.yaml")
    words = f"{host.top}/layers/all.yaml has secrets in it and can be read by everybody"
    assert words in done.stderr.decode()


def test_many_layers_are_bounded(host: Host) -> None:
    names = [f"/{host.top}/layers/l{number}.yaml" for number in range(65)]
    for name in names:
        Path(name).write_text("profile: 1\n")
    (host.top / "layers/group.yaml").write_text(json.dumps({"profile": 1, "include": names[:64]}))
    assert "at most 64 profiles may be included" in refused(
        host, HOST.replace("include: [", f"include: [{names[64]}, ")
    )


@pytest.mark.parametrize(
    ("lower", "upper", "result"),
    [
        ({"packages": ["a--1", "b"]}, {"packages": ["a>=2"]}, {"packages": ["a>=2", "b"]}),
        ({"roles": ["a"]}, {"roles": []}, {"roles": ["a"]}),
        (
            {"health": {"http": [{"url": "u", "status": 200}]}},
            {"health": {"http": [{"url": "u"}], "retries": 1}},
            {"health": {"http": [{"url": "u"}], "retries": 1}},
        ),
        (
            {"configuration": {"secrets": {"s": "text"}}},
            {"configuration": {"secrets": {"s": {"file": "/f"}}}},
            {"configuration": {"secrets": {"s": {"file": "/f"}}}},
        ),
        (
            {"configuration": {"values": {"a": [1], "b": {"c": 1}}}},
            {"configuration": {"values": {"a": [2], "b": None}}},
            {"configuration": {"values": {"a": [2], "b": None}}},
        ),
        ({"repositories": [{"name": "m", "url": "1"}]}, {"repositories": [{"url": "2"}]}, None),
    ],
)
def test_laying_over(
    lower: dict[str, object], upper: dict[str, object], result: dict[str, object] | None
) -> None:
    expected = result or {"repositories": [{"name": "m", "url": "1"}, {"url": "2"}]}
    assert lay_over(lower, upper) == expected
