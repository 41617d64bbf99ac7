"""Taking over a host that pkgpanda manages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.host_packages import add, archive, host_options
from tests.support.packager_command import packager
from tests.support.recording_host import Tools
from tests.support.tar_archives import snapshot

UNIT = "[Service]\nExecStart=/opt/mesosphere/bin/web\n"


def import_options(root: Path) -> list[str]:
    return host_options(root, "import-pkgpanda")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A host as pkgpanda leaves it: two versions of web, a config, an unfinished download."""
    top = tmp_path / "mesosphere"
    for package_id, files in {
        "web--1": {"bin/web": "#!/bin/sh\n", "dcos.target.wants_master/web.service": UNIT},
        "web--2": {"bin/web": "#!/bin/sh\n:\n", "dcos.target.wants_master/web.service": UNIT},
        "conf--abc": {"etc/web.conf": "x", "dcos.target.wants/conf.timer": "[Timer]\n"},
        "web--3_tmp": {"bin/web": ""},
        "not a package": {"x": ""},
    }.items():
        for path, content in {**files, "pkginfo.json": '{"requires": []}'}.items():
            file = top / "packages" / package_id / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
            file.chmod(0o755 if content.startswith("#!") else 0o644)
    (top / "active").mkdir()
    for name, package_id in (("web", "web--1"), ("conf", "conf--abc")):
        (top / "active" / name).symlink_to(top / "packages" / package_id)
    (tmp_path / "etc/roles").mkdir(parents=True)
    (tmp_path / "etc/roles/master").touch()
    wants = tmp_path / "system/dcos.target.wants"
    wants.mkdir(parents=True)
    for name, content in (("web.service", UNIT), ("conf.timer", "[Timer]\n"), ("stray.timer", "")):
        (wants.parent / name).write_text(content)
        (wants / name).symlink_to(wants.parent / name)
    return top


def test_import(root: Path, old: Path, tmp_path: Path) -> None:
    before = snapshot(old)
    dry = packager(root, "import-pkgpanda", *import_options(root), "--dry-run", old)
    assert dry.returncode == 0 and not root.exists()
    done = packager(root, "import-pkgpanda", *import_options(root), "--format=json", old)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["active"] == ["conf--abc", "web--1"]
    assert document["generation"] == 1
    assert document["roles"] == ["master"]
    assert document["added"] == ["conf--abc", "web--1", "web--2"]
    assert [each["name"] for each in document["left_out"]] == ["not a package", "web--3_tmp"]
    assert b"stray.timer" in done.stderr
    assert snapshot(old) == before
    assert packager(root, "verify").returncode == 0
    assert (root / "active/etc/web.conf").read_text() == "x"


def test_units_that_run_are_not_touched_and_later_only_what_changes(
    root: Path, old: Path, tmp_path: Path
) -> None:
    tools = Tools(tmp_path / "tools")
    options = host_options(root)
    assert (
        packager(root, "import-pkgpanda", *import_options(root), old, PATH=tools.path()).returncode
        == 0
    )
    assert tools.calls(asking=True) == []
    again = packager(root, "activate", *options, "web--1", "conf--abc", PATH=tools.path())
    assert b"nothing was changed" in again.stdout
    packager(root, "swap", *options, "web--2", PATH=tools.path())
    assert tools.calls() == [["systemctl", "restart", "web.service"]]


def test_pkgpandas_archive_is_the_same_package(root: Path, old: Path) -> None:
    assert packager(root, "import-pkgpanda", *import_options(root), old).returncode == 0
    files = {"bin/web": "#!/bin/sh\n", "dcos.target.wants_master/web.service": UNIT}
    cases: list[tuple[dict[str, object], int]] = [({"requires": []}, 0), ({}, 73)]
    for info, code in cases:
        done = packager(root, "add", "--id=web--1", "-", stdin=archive(files, info))
        assert done.returncode == code, done.stderr


def test_nothing_is_made_of_an_interrupted_or_a_missing_one(root: Path, old: Path) -> None:
    assert packager(root, "import-pkgpanda", *import_options(root), old / "bin").returncode == 66
    (old / "install_progress").touch()
    done = packager(root, "import-pkgpanda", *import_options(root), old)
    assert (done.returncode, b"pkgpanda setup" in done.stderr) == (73, True)
    assert not root.exists()


def test_an_active_package_that_is_refused_stops_it(root: Path, old: Path) -> None:
    (old / "packages/web--1/escape").symlink_to("/etc/passwd")
    done = packager(root, "import-pkgpanda", *import_options(root), old)
    assert (done.returncode, b"escape" in done.stderr) == (65, True)
    assert packager(root, "active", "--format=ndjson").stdout == b""
    (old / "packages/web--1/escape").rename(old / "packages/web--2/escape")
    done = packager(root, "import-pkgpanda", *import_options(root), old)
    assert (done.returncode, b"web--2 is left out" in done.stderr) == (0, True)
    assert packager(root, "import-pkgpanda", *import_options(root), old).returncode == 73


def test_a_refused_import_leaves_the_host_to_pkgpanda(root: Path, old: Path, tools: Tools) -> None:
    for package_id in ("web--1", "conf--abc"):  # two packages with one variable
        info = {"environment": {"PORT": package_id}}
        (old / f"packages/{package_id}/pkginfo.json").write_text(json.dumps(info))
    done = packager(root, "import-pkgpanda", *import_options(root), old)
    assert (done.returncode, b"PORT" in done.stderr) == (73, True)
    add(root, "hello--1", {"bin/hello": ""})
    done = packager(root, "activate", *host_options(root), "hello--1", PATH=tools.path())
    assert done.returncode == 0, done.stderr
    assert tools.calls(asking=True) == []
    assert (root.parent / "system/web.service").read_text() == UNIT


@pytest.mark.parametrize("switched", [False, True])
def test_an_import_that_was_killed_counts_only_if_its_set_is_active(
    root: Path, old: Path, tools: Tools, switched: bool
) -> None:
    assert packager(root, "import-pkgpanda", *import_options(root), old).returncode == 0
    place = root / "host.json"
    state = json.loads(place.read_text())
    taken = {key: state.pop(key) for key in ("units", "sysctl", "boot", "directories")}
    empty: dict[str, object] = {"units": {}, "sysctl": {}, "directories": {}}
    place.write_text(json.dumps({**state, **empty, "adopting": {"generation": 1, **taken}}))
    if not switched:
        (root / "active").unlink()
        (root / "history/1.json").unlink()
    add(root, "hello--1", {"bin/hello": ""})
    done = packager(root, "activate", *host_options(root), "hello--1", PATH=tools.path())
    assert done.returncode == 0, done.stderr
    stops = [call for call in tools.calls() if call[1] == "stop"]
    assert stops == ([["systemctl", "stop", "web.service", "conf.timer"]] if switched else [])
    assert (root.parent / "system/web.service").exists() is not switched
    assert "adopting" not in json.loads(place.read_text())
