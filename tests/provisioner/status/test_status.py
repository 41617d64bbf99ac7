"""`status` sees what was changed on the host, and nothing else; `apply` puts that right."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.kill_points import why_no_strace
from tests.support.manifest_records import lasting_content
from tests.support.package_sets import archive
from tests.support.provisioner_machine import PROVISIONER, Machine, profile
from tests.support.repository_site import configuration, site

SERVICE = "[Service]\nExecStart=/bin/true\n"
RUNNING = "Id=hello.service\nLoadState=loaded\nActiveState=active\nSubState=running\n"
RUNNING += "Result=success\nType=simple\nRemainAfterExit=no\nTriggeredBy=\n"
RUNNING += "ConditionResult=yes\nConditionTimestampMonotonic=7\n"
STOPPED = RUNNING.replace("=active", "=inactive").replace("=running", "=dead")
FAILED = STOPPED.replace("=inactive", "=failed").replace("=success", "=exit-code")
WEB = {
    "packages": ["hello"],
    "configuration": {
        "values": {"port": 8080},
        "files": [
            {"path": "etc/hello.conf", "template": "port = {{ values.port }}\n"},
            {"path": "etc/sub/other.conf", "content": "other\n"},
        ],
    },
    "health": {"checks": False, "retries": 0},
}


def hello(number: int) -> bytes:
    files = {
        "bin/hello": f"hello {number}\n",
        "lib/hello/data": "data\n",
        "units/hello.service": SERVICE,
    }
    return archive(files, {"state_directory": True})


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A host to which a profile was applied, and a repository of its packages."""
    machine = Machine(tmp_path)
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "hello--1.tar").write_bytes(hello(1))
    (shelf / "tools--1.tar").write_bytes(archive({"bin/tool": "tool\n"}))
    machine.packager("index", shelf)
    machine.tools.answer("systemctl-show", 0, RUNNING)
    with site(shelf) as served:
        repository: dict[str, object] = {"name": "main", "url": served.url, "trust": "off"}
        configuration(machine.config / "config.toml", repository)
        done = machine.run("apply", "--settle=0.01", "-", stdin=profile(**WEB))
        assert done.returncode == 0, done.stderr.decode()
        machine.packager("fetch", "tools")
        machine.tools.calls()
        yield machine


def tree(machine: Machine) -> Path:
    return machine.root / "packages/hello--1"


def active(machine: Machine) -> Path:
    return machine.root / "active"


def replace(path: Path, content: str) -> None:
    """As `sed -i` and most editors do."""
    temporary = path.with_name("temporary")
    temporary.write_text(content)
    temporary.rename(path)


def append(path: Path, content: str = "x") -> None:
    with path.open("a") as file:
        file.write(content)


def same_size(path: Path) -> None:
    """Another content; size and time of change as before."""
    status = path.stat()
    content = path.read_bytes()
    path.write_bytes(content[::-1])
    assert path.read_bytes() != content
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


HARMS: dict[str, tuple[Callable[[Machine], object], set[tuple[str, str]]]] = {
    "a file was changed": (
        lambda m: append(tree(m) / "bin/hello"),
        {("file", "bin/hello")},
    ),
    "a file was changed, and hides it": (
        lambda m: same_size(tree(m) / "bin/hello"),
        {("file", "bin/hello")},
    ),
    "a file's mode was changed": (
        lambda m: (tree(m) / "bin/hello").chmod(0o777),
        {("file", "bin/hello")},
    ),
    "a file is missing": (
        lambda m: (tree(m) / "lib/hello/data").unlink(),
        {("file", "lib/hello/data")},
    ),
    "a file is foreign": (
        lambda m: (tree(m) / "bin/foreign").touch(),
        {("file", "bin/foreign")},
    ),
    "a package is gone": (
        lambda m: shutil.rmtree(tree(m)),
        {("package", "hello--1")},
    ),
    "a record is damaged": (
        lambda m: append(m.root / "manifests/hello--1"),
        {("package", "hello--1")},
    ),
    "the configuration was edited": (
        lambda m: append(active(m) / "etc/hello.conf"),
        {("configuration", "etc/hello.conf")},
    ),
    "the configuration was edited, by a rename": (
        lambda m: replace(active(m) / "etc/hello.conf", "port = 9090\n"),
        {("configuration", "etc/hello.conf")},
    ),
    "a link is missing": (
        lambda m: (active(m) / "bin/hello").unlink(),
        {("link", "bin/hello")},
    ),
    "a file was put among the links": (
        lambda m: (active(m) / "bin/foreign").touch(),
        {("link", "bin/foreign")},
    ),
    "the environment was edited": (
        lambda m: append(active(m) / "environment", "A=1\n"),
        {("link", "environment")},
    ),
    "a unit file was edited": (
        lambda m: append(m.units / "hello.service"),
        {("unit-file", "UNITS/hello.service")},
    ),
    "a unit file is gone": (
        lambda m: (m.units / "hello.service").unlink(),
        {("unit-file", "UNITS/hello.service")},
    ),
    "a package was added to the set": (
        lambda m: m.packager("activate", "--add", "--settle=0.01", "tools--1"),
        {("set", "tools")},
    ),
    "a package was taken out of the set": (
        lambda m: m.packager("deactivate", "--settle=0.01", "hello"),
        {("set", "hello")},
    ),
    "the host has another role": (
        lambda m: (m.config / "roles/agent").touch(),
        {("roles", "host")},
    ),
    "another role was given": (
        lambda m: m.packager(
            "activate", "--roles=x", "--settle=0.01", *(p.name for p in configured(m)), "hello--1"
        ),
        {("roles", "active")},
    ),
    "a state directory is gone": (
        lambda m: (m.state / "hello").rmdir(),
        {("directory", "STATE/hello")},
    ),
}


def configured(machine: Machine) -> list[Path]:
    return list((machine.root / "packages").glob("web-config--*"))


def seen(machine: Machine, *words: str) -> set[tuple[str, str]]:
    found = machine.json("status", *words, code=65)
    assert found["in_sync"] is False
    assert found["profile"] == "web"
    names = {str(machine.units): "UNITS", str(machine.state): "STATE"}
    told = set()
    for each in found["differences"]:
        assert set(each) == {"kind", "subject", "package", "expected", "found", "reason"}
        subject = each["subject"]
        for place, name in names.items():
            subject = subject.replace(place, name)
        told.add((each["kind"], subject))
    return told


def test_in_sync(machine: Machine) -> None:
    for words in ((), ("--quick",)):
        assert machine.json("status", *words) == {
            "in_sync": True,
            "profile": "web",
            "run": 1,
            "differences": [],
            **dict.fromkeys(("revision", "rollout", "holder", "request")),
            "fence": 0,
        }
    assert machine.run("status").stdout == b"the host is as web says (run 1)\n"
    lines = machine.run("status", "--format=ndjson").stdout.splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["status"]


@pytest.mark.parametrize("name", HARMS)
def test_seen_and_repaired(name: str, machine: Machine) -> None:
    harm, expected = HARMS[name]
    harm(machine)
    assert seen(machine) == expected
    assert seen(machine, "--quick") == expected
    table = machine.run("status")
    assert table.returncode == 65
    for _, subject in expected:
        assert subject.rpartition("/")[2].encode() in table.stdout
    if name == "a record is damaged":  # nothing vouches for an archive then
        return
    machine.tools.calls()
    done = machine.json("apply", "--settle=0.01")
    assert done["changed"] is True
    assert machine.json("status")["in_sync"] is True
    assert machine.json("apply")["changed"] is False
    assert (active(machine) / "etc/hello.conf").read_text() == "port = 8080\n"
    calls = [call[1] for call in machine.tools.calls() if call[0] == "systemctl"]
    disturbing = {"a package was taken out of the set", "another role was given"}
    if "unit" not in name and name not in disturbing:
        assert "restart" not in calls and "start" not in calls and "stop" not in calls


def test_plan_tells_what_would_be_repaired(machine: Machine) -> None:
    append(active(machine) / "etc/hello.conf")
    told = machine.json("plan")
    assert [each["subject"] for each in told["repair"]] == ["etc/hello.conf"]
    assert b"etc/hello.conf" in machine.run("plan").stdout


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (STOPPED, "stopped"),
        (FAILED, "failed"),
        (
            STOPPED.replace("ConditionResult=yes", "ConditionResult=no").replace("=7", "=0"),
            "stopped",  # never started since the boot
        ),
    ],
)
def test_units_that_do_not_run(state: str, words: str, machine: Machine) -> None:
    machine.tools.answer("systemctl-show", 0, state)
    (each,) = machine.json("status", code=65)["differences"]
    assert (each["kind"], each["subject"], each["package"]) == ("unit", "hello.service", "hello--1")
    assert words in each["reason"]
    assert machine.json("status", "--no-systemd")["in_sync"] is True
    machine.tools.calls()
    machine.run("apply", "--settle=0.01")
    assert ["systemctl", "start", "hello.service"] in machine.tools.calls()


@pytest.mark.parametrize(
    "state",
    [
        STOPPED.replace("Type=simple", "Type=oneshot"),
        STOPPED.replace("TriggeredBy=", "TriggeredBy=hello.timer"),
        STOPPED.replace("ConditionResult=yes", "ConditionResult=no"),
        RUNNING.replace("=active", "=activating"),
    ],
)
def test_units_at_rest(state: str, machine: Machine) -> None:
    machine.tools.answer("systemctl-show", 0, state)
    assert machine.json("status")["in_sync"] is True


def test_systemd_that_cannot_tell(machine: Machine) -> None:
    machine.tools.answer("systemctl-show", 1, "System has not been booted with systemd")
    done = machine.run("status")
    assert done.returncode == 77
    assert b"not looked at: units" in done.stderr
    assert b"--no-systemd" in done.stderr


def test_nothing_was_applied_yet(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    done = machine.run("status", "--format=json")
    assert (done.returncode, done.stdout) == (66, b"")
    assert b"no profile was applied" in done.stderr
    assert not machine.root.exists()


def test_a_secret_file_that_has_changed(machine: Machine, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first")
    secret.chmod(0o600)
    files = [{"path": "etc/key", "template": "{{ secrets.key }}", "mode": "0600"}]
    more = {"secrets": {"key": {"file": str(secret)}}, "files": files}
    document = {**WEB, "configuration": more}
    done = machine.run("apply", "--settle=0.01", "-", stdin=profile(**document))
    assert done.returncode == 0, done.stderr
    assert machine.json("status")["in_sync"] is True
    secret.write_text("second")
    assert seen(machine) == {("input", "secrets")}
    assert b"second" not in machine.run("status").stdout
    assert machine.json("apply", "--settle=0.01")["changed"] is True
    assert (active(machine) / "etc/key").read_text() == "second"
    assert machine.json("status")["in_sync"] is True


def test_a_profile_that_is_kept_although_it_is_not_well(machine: Machine) -> None:
    health = {"checks": False, "retries": 0, "http": [{"url": "http://127.0.0.1:9/"}]}
    document = {**WEB, "health": health, "on_failure": "keep"}
    done = machine.run("apply", "--settle=0.01", "-", stdin=profile(**document))
    assert done.returncode == 65
    assert seen(machine) == {("profile", "web")}


def test_an_interrupted_apply(machine: Machine) -> None:
    (machine.root / "provisioner/pending").symlink_to("runs/1")
    found = machine.json("status", code=65)
    (each,) = found["differences"]
    assert (each["kind"], each["subject"]) == ("run", "1")
    assert "interrupted" in each["reason"]
    assert machine.json("apply", "--settle=0.01")["packages"]
    assert machine.json("status")["in_sync"] is True


def test_nothing_is_written_and_no_lock_is_waited_for(machine: Machine) -> None:
    import fcntl

    with (machine.root / "lock").open() as one, (machine.root / "activation.lock").open() as other:
        fcntl.flock(one, fcntl.LOCK_EX)
        fcntl.flock(other, fcntl.LOCK_EX)
        before = everything(machine.root)
        assert machine.run("status").returncode == 0
    assert everything(machine.root) == before


@pytest.mark.parametrize("harm", [append, Path.unlink])
def test_the_record_of_the_configuration(harm: Callable[[Path], object], machine: Machine) -> None:
    """Its id is the digest of what it was made of, so the profile vouches for it."""
    files = [{"path": "etc/key", "template": "{{ secrets.key }}", "restart": ["hello.service"]}]
    document = {**WEB, "configuration": {"secrets": {"key": "swordfish"}, "files": files}}
    done = machine.run("apply", "--settle=0.01", "-", stdin=profile(**document))
    assert done.returncode == 0, done.stderr
    name = f"web-config--{(machine.root / 'active/web-config').readlink().name.partition('--')[2]}"
    record = machine.root / "manifests" / name
    before = lasting_content(record)
    harm(record)
    assert seen(machine) == {("package", name)}
    assert machine.json("apply", "--settle=0.01")["changed"] is True
    assert lasting_content(record) == before
    assert record.stat().st_mode & 0o777 == 0o600
    assert machine.json("status")["in_sync"] is True


def test_quick_reads_only_what_was_touched(machine: Machine, tmp_path: Path) -> None:
    if why_no_strace():
        pytest.skip(why_no_strace())

    def opened() -> list[str]:
        log = tmp_path / "log"
        words = ["strace", "-f", "-y", "-o", str(log), "-e", "trace=openat", *PROVISIONER]
        command = [*words, "status", "--quick"]
        subprocess.run(command, check=True, capture_output=True, env=machine.environment)
        calls = re.findall(r"packages/hello--1/([\w/]+)>(?:\n|$)", log.read_text())
        return sorted(each for each in calls if (tree(machine) / each).is_file())

    assert opened() == []
    (tree(machine) / "bin/hello").touch()
    assert "bin/hello" in opened()


def everything(top: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_ino) for path in top.rglob("*")}


def test_a_package_that_no_repository_has(machine: Machine) -> None:
    (machine.config / "config.toml").write_text("")
    append(tree(machine) / "bin/hello")
    append(active(machine) / "etc/hello.conf")
    done = machine.run("apply", "--settle=0.01")
    assert done.returncode != 0
    assert b"hello--1 has changed in the store" in done.stderr
    # What could be repaired was.
    assert seen(machine) == {("file", "bin/hello")}
