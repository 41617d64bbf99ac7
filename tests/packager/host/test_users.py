"""Users and state directories: made once, owned where wrong, taken back when nothing came of it."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest
from packager.base.errors import Conflict, Denied, InputOutputError
from packager.host import apply, users

from tests.support.recording_host import Host, Tools, mode, unchanged

pytestmark = pytest.mark.usefixtures("tools_on_path")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to others")
NOBODY = "nobody"  # a user that every host has; packages' own would have to begin with dcos_


def test_a_state_directory_is_made_once_and_stays(host: Host) -> None:
    packages = {"web--1": host.package("web--1", {"state_directory": True})}
    host.activate(packages)
    made = host.state / "web"
    assert mode(made) == 0o755
    (made / "data").write_text("x")
    assert host.plan(packages) == {}
    host.activate({"web--2": host.package("web--2", {"state_directory": True})})
    host.activate({})
    assert (made / "data").read_text() == "x"


def test_the_umask_does_not_matter(host: Host) -> None:
    before = os.umask(0o077)
    try:
        host.activate({"web--1": host.package("web--1", {"state_directory": True})})
    finally:
        os.umask(before)
    assert mode(host.state / "web") == 0o755


def test_a_failed_activation_takes_its_directory_back(host: Host) -> None:
    (host.state / "old").mkdir(parents=True)
    packages = {
        f"{name}--1": host.package(f"{name}--1", {"state_directory": True})
        for name in ("old", "new")
    }
    plan = host.plan(packages)
    host.prepare(plan)
    assert (host.state / "new").is_dir()
    apply.undo(host.context(), host.emit)
    assert [each.name for each in host.state.iterdir()] == ["old"]
    apply.undo(host.context(), host.emit)  # twice is as good as once
    assert host.plan(packages) == plan


def test_undo_leaves_a_directory_that_is_in_use(host: Host) -> None:
    plan = host.plan({"web--1": host.package("web--1", {"state_directory": True})})
    host.prepare(plan)
    (host.state / "web/data").touch()
    apply.undo(host.context(), host.emit)
    assert (host.state / "web/data").exists()


def test_what_a_killed_activation_made_is_taken_back_by_the_next(host: Host) -> None:
    """Killed between `prepare` and the switch: nobody calls `undo`."""
    web = host.package("web--1", {"state_directory": True})
    host.prepare(host.plan({"web--1": web}))
    assert (host.state / "web").is_dir()
    host.activate({})
    assert not (host.state / "web").exists()
    assert host.plan({}) == {}


def test_what_a_killed_activation_made_stays_if_it_is_wanted(host: Host) -> None:
    web = {"web--1": host.package("web--1", {"state_directory": True})}
    host.prepare(host.plan(web))
    host.activate(web)
    assert (host.state / "web").is_dir()
    assert host.plan(web) == {}
    host.activate({})
    assert (host.state / "web").is_dir()


def test_something_else_in_the_place_of_a_state_directory(host: Host, tmp_path: Path) -> None:
    host.state.mkdir()
    (host.state / "web").symlink_to(tmp_path)
    with pytest.raises(InputOutputError, match="something else is there"):
        host.plan({"web--1": host.package("web--1", {"state_directory": True})})


def test_a_missing_user_is_planned_and_made_by_useradd(
    host: Host, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)  # useradd only records
    info = {"username": "dcos_unheard_of", "group": "dcos_unheard_of"}
    packages = {"web--1": host.package("web--1", info)}
    plan = host.plan(packages)
    assert plan["users"] == [
        {"name": "dcos_unheard_of", "group": "dcos_unheard_of", "package": "web--1"}
    ]
    host.prepare(plan)
    assert tools.calls() == [
        [
            *("useradd", "--system", "--home-dir", str(host.root), "--no-create-home"),
            *("--shell", "/sbin/nologin", "--comment", "DCOS System User", "--user-group"),
            "dcos_unheard_of",
        ]
    ]


def test_useradd_that_fails_stops_the_activation(
    host: Host, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    tools.answer("useradd", 9, "")
    plan = host.plan({"web--1": host.package("web--1", {"username": "dcos_unheard_of"})})
    with pytest.raises(InputOutputError, match="dcos_unheard_of can't be made"):
        host.prepare(plan)


def test_no_user_is_made_without_root(
    host: Host, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    plan = host.plan({"web--1": host.package("web--1", {"username": "dcos_unheard_of"})})
    with pytest.raises(Denied, match="--no-users"):
        host.prepare(plan)
    assert tools.calls() == []


def test_no_users_and_the_file_that_says_so(host: Host, tmp_path: Path) -> None:
    packages = {"web--1": host.package("web--1", {"username": "dcos_unheard_of"})}
    with pytest.raises(Conflict, match="no users are to be made"):
        host.plan(packages, no_users=True)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/manual_host_users").touch()
    with pytest.raises(Conflict, match="no users are to be made"):
        host.plan(packages)


def test_a_group_that_is_not_there(host: Host) -> None:
    info = {"username": "dcos_unheard_of", "group": "unheard_of"}
    with pytest.raises(Conflict, match="groupadd unheard_of"):
        host.plan({"web--1": host.package("web--1", info)})


def test_a_user_that_is_not_in_its_group(host: Host) -> None:
    info = {"username": NOBODY, "group": grp.getgrgid(0).gr_name}
    with pytest.raises(Conflict, match="to be in the group"):
        host.plan({"web--1": host.package("web--1", info)})


def test_users_that_others_made_are_never_removed(tools: Tools) -> None:
    users.remove_user(NOBODY)
    users.remove_user("dcos_unheard_of")
    assert tools.calls() == []


@root_only
def test_only_what_belongs_to_others_gets_another_owner(host: Host, tmp_path: Path) -> None:
    state = host.state / "web"
    (state / "deep/er").mkdir(parents=True)
    for name in ("right", "wrong", "deep/er/wrong"):
        (state / name).write_text("x")
    secret = tmp_path / "secret"
    secret.write_text("not to be given away")
    (state / "link").symlink_to(secret)
    os.link(secret, state / "hard")
    nobody = pwd.getpwnam(NOBODY)
    os.chown(state / "right", nobody.pw_uid, 1)
    before = unchanged(state / "right")
    host.activate({"web--1": host.package("web--1", {"state_directory": True, "username": NOBODY})})
    for name in (".", "right", "wrong", "deep", "deep/er", "deep/er/wrong", "link"):
        assert (state / name).lstat().st_uid == nobody.pw_uid, name
    assert unchanged(state / "right") == before
    assert (state / "wrong").stat().st_gid == 0
    assert secret.stat().st_uid == 0
    assert [e["message"] for e in host.events if e["event"] == "warning"] == [
        f"{state}/hard has another hard link; it is not changed"
    ]


@root_only
def test_a_state_directory_as_it_should_be_is_not_walked_again(host: Host) -> None:
    packages = {"web--1": host.package("web--1", {"state_directory": True, "username": NOBODY})}
    host.activate(packages)
    made = host.state / "web"
    assert made.stat().st_uid == pwd.getpwnam(NOBODY).pw_uid
    assert host.plan(packages) == {}
    os.chown(made, 0, 0)
    assert host.plan(packages)["owners"] == [
        {"path": str(made), "package": "web--1", "user": NOBODY, "was": "root"}
    ]
    host.activate(packages)
    assert made.stat().st_uid == pwd.getpwnam(NOBODY).pw_uid


@root_only
def test_what_is_too_deep_is_left_alone_and_the_rest_is_done(host: Host, tmp_path: Path) -> None:
    deep = tmp_path / "state"
    for _ in range(users.MAX_DEPTH + 50):
        deep = deep / "d"
        deep.mkdir(parents=True)
    (tmp_path / "state/file").touch()
    changed = users.own_tree(str(tmp_path / "state"), NOBODY, host.emit)
    assert changed == users.MAX_DEPTH + 2
    assert [each["event"] for each in host.events] == ["warning"]
    assert (tmp_path / "state/file").owner() == NOBODY
