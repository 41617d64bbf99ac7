"""Files of the configuration that a service which is not root can read, and nobody else."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
from pathlib import Path
from typing import Any

import pytest
from packager.host import applied_state, apply, host_plan

from tests.support.profile_host import UNIT, Host, configuration, profile, template
from tests.support.recording_host import Host as RecordingHost
from tests.support.recording_host import Tools

# Whom everybody may give files to: oneself. Root may give them to others.
USER = "daemon" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
GROUP = "daemon" if os.geteuid() == 0 else grp.getgrgid(os.getegid()).gr_name
UID, GID = pwd.getpwnam(USER).pw_uid, grp.getgrnam(GROUP).gr_gid


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.add("web--1", {"units/web.service": UNIT})
    return host


def document(**of_the_file: object) -> dict[str, Any]:
    file = template("etc/pw", "{{ secrets.pw }}", restart=["web.service"], **of_the_file)
    made = configuration(file, template("etc/open", "x"), secrets={"pw": "4711"})
    return profile(packages=["web"], configuration=made, health={"checks": False})


def place(host: Host, path: str = "etc/pw") -> Path:
    config = next(each for each in host.active if each.startswith("web-config"))
    return host.root / "packages" / config / path


def test_a_secret_for_a_group(host: Host) -> None:
    events = host.events(document(group=GROUP))
    names = [each["event"] for each in events]
    if os.geteuid() == 0:  # a moment in which the service could not read it there is not
        assert names.index("owner") < names.index("switched")
    status = place(host).stat()
    assert (status.st_uid, status.st_gid) == (os.geteuid(), GID)
    assert stat.S_IMODE(status.st_mode) == 0o640
    assert place(host, "etc/open").stat().st_gid == os.getegid()
    assert host.json("status")["in_sync"] is True
    assert not host.applied(document(group=GROUP))["changed"]
    plan = host.json("plan", "-", stdin=json.dumps(document(group=GROUP)).encode())
    assert plan["changed"] is False


def test_a_secret_for_a_user(host: Host) -> None:
    host.applied(document(owner=USER))
    status = place(host).stat()
    assert status.st_uid == UID and stat.S_IMODE(status.st_mode) == 0o600
    assert host.run("status").returncode == 0
    assert host.run("verify", program="packager").returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take a file back")
@pytest.mark.parametrize("quick", [[], ["--quick"]])
def test_an_owner_that_is_lost_is_told_and_set_again(host: Host, quick: list[str]) -> None:
    """By hand, by a kill before it was set, or by a power loss after it."""
    host.applied(document(owner=USER, group=GROUP))
    os.chown(place(host), 0, 0)
    found = host.json("status", *quick, code=65)["differences"]
    assert [(each["kind"], each["subject"]) for each in found] == [("owner", str(place(host)))]
    assert found[0]["reason"] == f"owned by root:root, not owned by {USER}:{GROUP}"
    before = host.generation
    assert host.applied(document(owner=USER, group=GROUP), *quick)["changed"]
    status = place(host).stat()
    assert (status.st_uid, status.st_gid, host.generation) == (UID, GID, before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_another_owner_is_another_configuration(host: Host) -> None:
    host.applied(document(group=GROUP))
    first = place(host)
    later = document(group=GROUP, owner=USER)
    plan = host.json("plan", "-", stdin=json.dumps(later).encode())
    changes = {each["path"]: each for each in plan["configuration"]["files"]}
    assert changes.keys() == {"etc/pw"} and plan["restart"] == ["web.service"]
    assert changes["etc/pw"]["owners"] == {"user": USER, "group": GROUP}
    assert (
        f"given to user {USER}, group {GROUP}"
        in host.run("plan", "-", stdin=json.dumps(later).encode()).stdout.decode()
    )
    host.applied(later)
    assert place(host) != first and place(host).stat().st_uid == UID
    host.applied(document(group=GROUP))
    assert place(host).stat().st_uid == 0


@pytest.mark.parametrize(
    ("of_the_file", "words"),
    [
        ({"group": GROUP, "mode": "0644"}, "only daemon beside it may read it: its mode can't be"),
        ({"group": GROUP, "mode": "0660"}, "mode: only the owner may write"),
        ({"owner": USER, "mode": "0640"}, "only its owner may read it: its mode can't be 0640"),
        ({"owner": "0"}, "files[0].owner: it should be the name of a user, or of a group"),
        ({"group": "a b"}, "files[0].group: it should be the name of a user, or of a group"),
    ],
)
def test_what_is_refused(host: Host, of_the_file: dict[str, str], words: str) -> None:
    done = host.apply(document(**of_the_file))
    assert done.returncode == 65 and words.replace("daemon", GROUP) in done.stderr.decode()


def test_who_is_not_there_is_named_before_anything_changes(host: Host) -> None:
    for command in ("plan", "apply"):
        content = json.dumps(document(owner="nobody-here", group="none-here")).encode()
        done = host.run(command, "-", stdin=content)
        said = done.stderr.decode()
        assert done.returncode == 73
        assert "etc/pw is to belong to nobody-here: there is no such user, make it" in said
        assert "etc/pw is to belong to the group none-here: there is none, make it" in said
    assert host.active == []


def test_a_user_that_a_package_makes_is_there_in_time(host: Host) -> None:
    """It is made by the activation, before files are given to it."""
    host.add("db--1", {"units/db.service": UNIT}, {"username": "dcos_db_of_a_test"})
    made = document(owner="dcos_db_of_a_test", group="dcos_db_of_a_test")
    content = json.dumps({**made, "packages": ["web", "db"]}).encode()
    assert host.run("plan", "-", stdin=content).returncode == 0
    done = host.run("apply", "-", stdin=content)  # the test's own useradd makes nobody
    assert "there is no user dcos_db_of_a_test, though it was to be made" in done.stderr.decode()
    assert any(call[0] == "useradd" for call in host.tools.calls())
    assert host.active == []


def test_a_package_may_say_it_too(host: Host) -> None:
    host.add("own--1", {"etc/own": "x", "etc/own2": "x"}, {"owners": {"etc/own": {"group": GROUP}}})
    host.applied(profile(packages=["own"]))
    tree = host.root / "packages/own--1"
    assert ((tree / "etc/own").stat().st_gid, (tree / "etc/own2").stat().st_gid) == (
        GID,
        os.getegid(),
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_is_taken_back_before_its_user_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever gets the number of that user next could read the secret in it."""
    tools = Tools(tmp_path / "tools")
    monkeypatch.setenv("PATH", tools.path())
    host = RecordingHost(tmp_path)
    file = host.root / "packages/own--1/etc/pw.txt"
    info = {"username": "dcos_gone", "owners": {"etc/pw.txt": {"user": USER}}}
    declared = {"own--1": host.package("own--1", info, etc__pw_txt="4711")}
    context, state = host.context(), host.applied()
    plan = apply.plan(declared, (), context, state)
    # As if the user that is made were this one: the tools of a test make none.
    plan["users"][0]["name"] = USER
    apply.prepare(plan, context, state, host.emit)
    assert file.stat().st_uid == UID
    assert host.applied()["pending"]["files"][0]["path"] == str(file)  # known after a kill, too
    apply.undo(context, host.emit)
    assert file.stat().st_uid == 0
    os.chown(file, UID, -1)  # as a kill leaves it: the next plan takes it back
    host.events.clear()
    applied_state.save(str(host.root), {**state, "pending": {**host_plan.prepared_by(plan)}})
    later = apply.plan({}, (), context, host.applied())
    assert later["withdraw"]["files"]
    apply.prepare(later, context, host.applied(), host.emit)
    assert file.stat().st_uid == 0
