"""A host of pkgpanda's becomes a profile, and that profile finds nothing to do on the host."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from provisioner.pkgpanda.profile_export import profile_name

from tests.support.provisioner_machine import Machine
from tests.support.tar_archives import snapshot

UNIT = "[Service]\nExecStart=/opt/mesosphere/bin/web\n"
LATE = "dcos-provider-abcdef--setup"
RENDERED = '{\n  "foo": "bar",\n  "baz": "qux {{ x }}"\n}\n'
TEMPLATE = """\
package:
  - path: /etc/some.json
    content: |
      {
        "foo": "LATE_BIND_PLACEHOLDER_START_foo_LATE_BIND_PLACEHOLDER_END",
        "baz": "LATE_BIND_PLACEHOLDER_START_baz_LATE_BIND_PLACEHOLDER_END {{ x }}"
      }
  - path: /pkginfo.json
    content: "{}"
  - path: /etc/plain
    content: "as it is {{ y }}"
    permissions: "0755"
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A host as pkgpanda's setup leaves it, with a late-bound package."""
    machine = Machine(tmp_path)
    top = tmp_path / "mesosphere"
    for package_id, files in {
        "web--1": {"bin/web": "#!/bin/sh\n", "dcos.target.wants_master/web.service": UNIT},
        "web--0": {"bin/web": "#!/bin/sh\n:\n"},
        LATE: {"etc/some.json": RENDERED, "etc/plain": "as it is {{ y }}"},
    }.items():
        for path, content in {**files, "pkginfo.json": '{"requires": []}'}.items():
            file = top / "packages" / package_id / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
            file.chmod(0o755 if content.startswith("#!") or path == "etc/plain" else 0o644)
    (top / "active").mkdir()
    for package_id in ("web--1", LATE):
        name = package_id.partition("--")[0]
        (top / "active" / name).symlink_to(top / "packages" / package_id)
    (machine.config / "roles/master").touch()
    flags = machine.config / "setup-flags"
    flags.mkdir()
    (flags / "repository-url").write_text("https://repo.example/stable\n")
    (flags / "cluster-package-list").write_text("abc123\n")
    (flags / "late-config.yaml").write_text(
        f"late_bound_package_id: {LATE}\nbound_values:\n  foo: bar\n  baz: qux\n"
    )
    wants = machine.units / "dcos.target.wants"
    wants.mkdir()
    (machine.units / "web.service").write_text(UNIT)
    (wants / "web.service").symlink_to(machine.units / "web.service")
    (machine.config / "config.toml").write_text("")
    show = "Id=web.service\nLoadState=loaded\nActiveState=active\nSubState=running\n"
    machine.tools.answer("systemctl-show", 0, show)
    return machine


def write(machine: Machine, *words: str) -> Path:
    done = machine.run("import-pkgpanda", *words, machine.top / "mesosphere")
    assert done.returncode == 0, done.stderr.decode()
    file = machine.top / "profile.json"
    file.write_bytes(done.stdout)
    return file


def test_the_profile(machine: Machine) -> None:
    before = snapshot(machine.top / "mesosphere")
    document = json.loads(write(machine, "--name=node").read_bytes())
    assert document == {
        "profile": 1,
        "name": "node",
        "description": "taken over from pkgpanda, package list abc123",
        "roles": ["master"],
        "repositories": [
            {
                "name": "pkgpanda",
                "url": "https://repo.example/stable",
                "layout": "pkgpanda",
                "trust": "off",
            }
        ],
        "packages": [LATE, "web--1"],
        "configuration": {"values": {"foo": "bar", "baz": "qux"}},
    }
    assert snapshot(machine.top / "mesosphere") == before
    assert not machine.root.exists()


@pytest.mark.parametrize("words", [(), ("--secrets=foo",)])
def test_round_trip(words: tuple[str, ...], machine: Machine) -> None:
    """Taken over by packager, the host is as the profile says."""
    file = write(machine, *words)
    machine.packager("import-pkgpanda", machine.top / "mesosphere")
    machine.tools.calls()
    told = machine.json("plan", file)
    assert (
        told["fetch"] == told["repair"] == told["restart"] == told["configuration"]["files"] == []
    )
    assert told["packages"] == {"activate": [], "deactivate": [], "swap": []}
    assert told["roles"]["from"] == told["roles"]["to"] == ["master"]
    assert told["host"] == {}
    assert machine.json("apply", file)["changed"] is False
    assert machine.json("status")["in_sync"] is True
    assert machine.tools.calls() == []


def test_the_template_of_the_late_bound_package(machine: Machine) -> None:
    late = machine.top / "late.dcos_config"
    late.write_text(TEMPLATE)
    file = write(machine, "--secrets=baz", f"--late-package={late}")
    document = json.loads(file.read_bytes())
    assert document["packages"] == ["web--1"]
    assert document["configuration"]["values"] == {"foo": "bar"}
    assert document["configuration"]["secrets"] == {"baz": "qux"}
    machine.packager("import-pkgpanda", machine.top / "mesosphere")
    assert machine.json("apply", file)["changed"] is True
    assert (machine.root / "active/etc/some.json").read_text() == RENDERED
    assert (machine.root / "active/etc/some.json").stat().st_mode & 0o777 == 0o600
    assert (machine.root / "active/etc/plain").read_text() == "as it is {{ y }}"
    assert (machine.root / "active/etc/plain").stat().st_mode & 0o777 == 0o755
    assert (machine.root / "active/bin/web").exists()


@pytest.mark.parametrize(
    "text", ["{{", "{%", "{#", "a {{{ b", "{{% x", "}} {", "{", "{# c #}{{ d }}{% e %}", "\n{{\n"]
)
def test_what_means_something_in_a_template(text: str, machine: Machine) -> None:
    late = machine.top / "late.dcos_config"
    foo = "LATE_BIND_PLACEHOLDER_START_foo_LATE_BIND_PLACEHOLDER_END"
    content = f"{text}{foo}{text}{foo}"
    files = [{"path": "/etc/some.json", "content": content}]
    late.write_text(json.dumps({"package": files}))
    file = write(machine, f"--late-package={late}")
    machine.packager("import-pkgpanda", machine.top / "mesosphere")
    assert machine.json("apply", file)["changed"] is True
    assert (machine.root / "active/etc/some.json").read_text() == f"{text}bar{text}bar"


def test_warnings(machine: Machine) -> None:
    flags = machine.config / "setup-flags"
    (flags / "repository-url").write_text("s3://srv/packages\n")
    (flags / "active.json").write_text('["web--0"]')
    (flags / "late-config.yaml").write_text(
        f"late_bound_package_id: {LATE}\nbound_values: {{admin_password: hunter2}}\n"
    )
    done = machine.run("import-pkgpanda", machine.top / "mesosphere")
    assert done.returncode == 0
    for words in (b"s3://srv/packages is left out", b"active.json has other", b"admin_password"):
        assert words in done.stderr
    assert b"hunter2" not in done.stderr
    assert "repositories" not in json.loads(done.stdout)


def test_without_flags(machine: Machine) -> None:
    for each in (machine.config / "setup-flags").iterdir():
        each.unlink()
    (machine.config / "setup-flags").rmdir()
    document = json.loads(write(machine, "--name=node").read_bytes())
    assert sorted(document) == ["description", "name", "packages", "profile", "roles"]


@pytest.mark.parametrize(
    ("path", "content", "code", "said"),
    [
        ("mesosphere/bootstrap", "", 73, "not set this host up yet"),
        ("mesosphere/install_progress", "", 73, "pkgpanda setup"),
        ("etc/setup-flags/active.json", "{}", 65, "active.json"),
        ("etc/setup-flags/active.json", "[1", 65, "active.json"),
        ("etc/setup-flags/late-config.yaml", "a: &x [1]\nb: *x\n", 65, "late-config.yaml"),
        ("etc/setup-flags/late-config.yaml", "bound_values: {}\n", 65, "late_bound_package_id"),
        ("etc/setup-flags/late-config.yaml", f"late_bound_package_id: {LATE}\n", 65, "bound_val"),
    ],
)
def test_refusals(path: str, content: str, code: int, said: str, machine: Machine) -> None:
    (machine.top / path).write_text(content)
    done = machine.run("import-pkgpanda", machine.top / "mesosphere")
    assert (done.returncode, done.stdout) == (code, b""), done.stderr
    assert said.encode() in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--secrets=nobody"], 66, "nobody"),
        (["--late-package=/proc/self/nothing"], 66, "no such file"),
        (["--late-package=/"], 65, "is a directory"),
        (["--late-package=/dev/null"], 65, "empty"),
        (["--name=Not A Name"], 65, "name"),
    ],
)
def test_wrong_options(words: list[str], code: int, said: str, machine: Machine) -> None:
    done = machine.run("import-pkgpanda", *words, machine.top / "mesosphere")
    assert (done.returncode, said.encode() in done.stderr) == (code, True), done.stderr


def test_a_placeholder_that_is_not_bound(machine: Machine) -> None:
    late = machine.top / "late.dcos_config"
    late.write_text(TEMPLATE.replace("START_foo_", "START_other_"))
    done = machine.run("import-pkgpanda", f"--late-package={late}", machine.top / "mesosphere")
    assert (done.returncode, b"'other'" in done.stderr) == (65, True)


def test_no_pkgpanda(machine: Machine) -> None:
    done = machine.run("import-pkgpanda", machine.top / "nothing")
    assert (done.returncode, b"not managed by pkgpanda" in done.stderr) == (66, True)
    for each in (machine.top / "mesosphere/active").iterdir():
        each.unlink()
    done = machine.run("import-pkgpanda", machine.top / "mesosphere")
    assert (done.returncode, b"no package is active" in done.stderr) == (66, True)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("web-1.example.com", "web-1"),
        ("Node_7", "node-7"),
        ("--", "host"),
        ("ü", "host"),
        ("a" * 99, "a" * 64),
    ],
)
def test_names(host: str, name: str) -> None:
    assert profile_name(host) == name


def test_the_profile_is_written_to_a_file_of_its_owner(machine: Machine) -> None:
    """A shell would make it readable for everybody, with its secrets."""
    file = machine.top / "host.json"
    file.write_text("of before")
    file.chmod(0o644)
    done = machine.run(
        *("import-pkgpanda", "--secrets=foo", f"--output={file}", machine.top / "mesosphere")
    )
    assert (done.returncode, done.stdout) == (0, b"")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_bytes())["configuration"]["secrets"] == {"foo": "bar"}
    assert not list(machine.top.glob(".host.json*"))
    words = ("import-pkgpanda", f"--output={machine.top}/gone/x", machine.top / "mesosphere")
    assert machine.run(*words).returncode == 66
