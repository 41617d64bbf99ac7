"""What people edit under ROOT/active: a plan shows what would not be in use any more, activations
say so, and nothing of it is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.package_sets import add, check, look, ok, run, tidy, version

HOST = ["--no-systemd", "--units-dir={}/system", "--state-dir={}/lib", "--config-dir={}/etc"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    for number in (1, 2, 3):
        add(root, f"a--{number}", {**version(number), "etc/a.conf": f"port={number}\n"})
    add(root, "b--1", {**version(1, "b"), "etc_master/b.conf": "b\n"})
    ok(root, "activate", *options(root), "a--1", "b--1")
    return root


def options(root: Path) -> list[str]:
    return [each.format(root.parent) for each in HOST]


def swap(root: Path, package_id: str) -> str:
    done = run(root, "swap", *options(root), package_id)
    assert done.returncode == 0, done.stderr
    return done.stderr


def plan(root: Path, package_id: str) -> list[dict[str, object]]:
    told = json.loads(ok(root, "plan", "--format=json", *options(root), "swap", package_id))
    edited: list[dict[str, object]] = told["edited"]
    return edited


def replace(path: Path, content: str) -> None:
    """As most editors write a file: another one takes its place."""
    new = path.with_name(f".{path.name}.swp")
    new.write_text(content)
    new.rename(path)


def kept(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root / "kept")): path.read_text()
        for path in sorted((root / "kept").rglob("*"))
        if path.is_file() or path.is_symlink()
    }


def test_edited_in_the_package(root: Path) -> None:
    (root / "active/etc/a.conf").write_text("port=mine\n")
    place = f"{root}/packages/a--1/etc/a.conf"
    assert plan(root, "a--2") == [{"of": "a--1", "path": "etc/a.conf", "place": place}]
    assert f"of a--1: {place}" in ok(root, "plan", *options(root), "swap", "a--2")
    said = swap(root, "a--2")
    assert said == f"packager: a--1: etc/a.conf was edited; it stays in {place}, unused\n"
    assert plan(root, "a--3") == []
    swap(root, "a--3")
    done = run(root, "gc", "--keep=1")
    assert "a--1: etc/a.conf is somebody else's, or edited" in done.stderr
    assert kept(root) == {"a--1~1/etc/a.conf": "port=mine\n"}


@pytest.mark.parametrize("first", [True, False], ids=["copied or built", "of an older tree"])
def test_a_file_in_the_place_of_a_link(root: Path, first: bool) -> None:
    """Also in a place where there was no link, and whichever tree the next one is made of."""
    version_now, number = (1, 1) if first else (3, 3)
    if not first:
        swap(root, "a--2")
        swap(root, "a--3")
    replace(root / "active/etc/a.conf", "port=mine\n")
    (root / "active/etc/b.d").mkdir(exist_ok=True)
    (root / "active/etc/b.d/more").write_text("more\n")
    (root / "active/bin/link").symlink_to("/dev/null")
    replace(root / "active/environment", "mine\n")
    (root / "active/note").write_text("note\n")
    of = f"generation-{number}"
    paths = ["bin/link", "environment", "etc/a.conf", "etc/b.d/more", "note"]
    assert plan(root, "a--2" if first else "a--1") == [
        {"of": of, "path": path, "place": None} for path in paths[1:]
    ]  # the link in bin is found when the tree goes
    said = swap(root, "a--2" if first else "a--1")
    assert said.splitlines() == [
        f"packager: {of}: {path} is somebody else's, or edited: kept as {root}/kept/{of}~1/{path}"
        for path in paths
    ]
    check(root)
    tidy(root)
    ok(root, "rollback", *options(root), str(number))
    check(root)
    assert look(root)["etc/a.conf"] == f"port={version_now}\n"
    place = f"{of}~1"
    assert kept(root) == {
        f"{place}/bin/link": "",
        f"{place}/environment": "mine\n",
        f"{place}/etc/a.conf": "port=mine\n",
        f"{place}/etc/b.d/more": "more\n",
        f"{place}/note": "note\n",
    }


def test_edits_of_what_stays_are_no_news(root: Path) -> None:
    (root / "active/etc/b.d/1").write_text("mine\n")
    assert plan(root, "a--2") == []
    assert swap(root, "a--2") == ""
    assert (root / "active/etc/b.d/1").read_text() == "mine\n"


def test_repair_keeps_what_is_in_the_place_of_a_link(root: Path) -> None:
    replace(root / "active/etc/a.conf", "port=mine\n")
    done = run(root, "repair", *options(root))
    assert done.returncode == 0, done.stderr
    assert "generation-1: etc/a.conf is somebody else's, or edited: kept as" in done.stderr
    assert kept(root) == {"generation-1~1/etc/a.conf": "port=mine\n"}
    check(root)


def test_times_that_were_changed_cost_no_edit(root: Path) -> None:
    """A clock that was set back hides an edit from the plan, but not from what deletes the tree."""
    replace(root / "active/etc/a.conf", "port=mine\n")
    later = (root / "active/etc").stat().st_ctime_ns + 10**18
    document = root / "generations/1/generation.json"
    os.utime(document, ns=(later, later))
    for package_id in ("a--2", "a--3"):
        swap(root, package_id)
    run(root, "gc", "--keep=1")
    assert "port=mine\n" in {*kept(root).values(), *look(root).values()}
