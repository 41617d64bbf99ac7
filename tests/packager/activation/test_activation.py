"""What becomes visible, what is refused, what stays untouched: whole commands on real stores."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from packager.activation.activate import activate
from packager.activation.planning import Request
from packager.generations import tree_pool

from tests.support.package_sets import Content, add, check, look, ok, run, tidy, version
from tests.support.tar_archives import snapshot


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with three versions of a, and b."""
    root = tmp_path / "store"
    for number in (1, 2, 3):
        add(root, f"a--{number}", version(number))
    add(root, "b--1", version(1, "b"), {"environment": {"B": "$(id) `id` \"'\\\n$HOME"}})
    return root


def sound(root: Path) -> None:
    check(root)
    tidy(root)


def refused(root: Path, *words: str, code: int = 73) -> str:
    """The message of a command that is refused, and changes nothing."""
    before = snapshot(root)
    result = run(root, *words)
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    after = snapshot(root)
    after.pop("activation.lock", None)
    before.pop("activation.lock", None)
    assert after == before
    return result.stderr


def test_a_set_becomes_visible(root: Path) -> None:
    ok(root, "activate", "a--1", "b--1")
    assert look(root) == {
        "bin/a": "a 1\n",
        "bin/b": "b 1\n",
        "etc/a.d/1": "a 1\n",
        "etc/b.d/1": "b 1\n",
        "lib/a/only1/x": "a 1\n",
        "lib/b/only1/x": "b 1\n",
    }
    assert (root / "active/a/bin/a").read_text() == "a 1\n"
    assert (root / "bin/a").read_text() == "a 1\n"
    for each in ("bin", "lib", "etc", "include", "units"):
        assert (root / "active" / each).is_dir()
    sound(root)


def test_the_same_set_again_does_nothing_and_says_so(root: Path) -> None:
    ok(root, "activate", "a--1", "b--1")
    before = snapshot(root)
    assert "nothing was changed" in ok(root, "activate", "b--1", "a--1")
    told = ok(root, "activate", "--format=ndjson", "b--1", "a--1").splitlines()
    assert [json.loads(line) for line in told] == [
        {"event": "activated", "generation": 1, "changed": False, "packages": 2}
    ]
    assert snapshot(root) == before


def test_activate_makes_exactly_this_set_and_add_keeps_the_others(root: Path) -> None:
    ok(root, "activate", "a--1")
    ok(root, "activate", "b--1")
    assert set(look(root)) == {"bin/b", "etc/b.d/1", "lib/b/only1/x"}
    ok(root, "activate", "--add", "a--2")
    assert look(root)["bin/a"] == "a 2\n"
    assert look(root)["bin/b"] == "b 1\n"
    sound(root)


def test_swap_changes_what_only_one_version_has(root: Path) -> None:
    ok(root, "activate", "a--1", "b--1")
    for number in (2, 3, 1, 2, 1, 3):
        ok(root, "swap", f"a--{number}")
        seen = look(root)
        assert seen["bin/a"] == f"a {number}\n"
        assert {path for path in seen if path.startswith("etc/a.d")} == {f"etc/a.d/{number}"}
        assert not any(
            (root / f"active/lib/a/only{other}").exists() for other in (1, 2, 3) if other != number
        )
        sound(root)


def test_swap_and_deactivate_of_what_is_not_active(root: Path) -> None:
    ok(root, "activate", "b--1")
    assert "--add a--1" in refused(root, "swap", "a--1", code=66)
    assert "a is not active" in refused(root, "deactivate", "a", code=66)
    assert "b--2 is not active" in refused(root, "deactivate", "b--2", code=66)
    assert "a--9 is not installed" in refused(root, "activate", "a--9", code=66)
    assert "versions of one package" in refused(root, "activate", "a--1", "a--2", code=64)
    refused(root, "activate", code=64)
    refused(root, "rollback", "7", code=66)
    refused(root, "rollback", code=66)


def test_deactivate_by_name_and_by_id_until_nothing_is_left(root: Path) -> None:
    ok(root, "activate", "a--1", "b--1")
    ok(root, "deactivate", "a")
    ok(root, "deactivate", "b--1")
    assert look(root) == {}
    assert json.loads(ok(root, "active", "--format=json"))["packages"] == []
    sound(root)


def test_rollback_goes_back_step_by_step_and_to_any_number(root: Path) -> None:
    for number in (1, 2, 3):
        ok(root, "activate", f"a--{number}", "b--1")
    ok(root, "rollback")
    assert look(root)["bin/a"] == "a 2\n"
    ok(root, "rollback")
    assert look(root)["bin/a"] == "a 1\n"
    ok(root, "rollback", "3")
    assert look(root)["bin/a"] == "a 3\n"
    ok(root, "deactivate", "b")
    told = json.loads(ok(root, "history", "--format=json"))
    assert told["active"] == 4
    assert [each["generation"] for each in told["generations"]] == [1, 2, 3, 4]
    for number in (1, 2, 3):  # some of them have no tree any more
        ok(root, "rollback", str(number))
        assert look(root)["bin/a"] == f"a {number}\n"
        sound(root)


def test_who_and_why_are_remembered(root: Path) -> None:
    ok(root, "activate", "a--1", ABI_PRINCIPAL="operator", ABI_REQUEST_ID="r-1")
    told = json.loads(ok(root, "active", "--format=json"))
    assert (told["who"], told["request_id"], told["generation"]) == ("operator", "r-1", 1)
    assert told["packages"] == [{"id": "a--1", "name": "a", "version": "1"}]


def test_plan_tells_what_activate_then_does(root: Path) -> None:
    ok(root, "activate", "a--1", "b--1")
    before = snapshot(root)
    told = json.loads(ok(root, "plan", "--format=json", "swap", "a--2"))
    assert json.loads(ok(root, "swap", "--dry-run", "--format=json", "a--2")) == told
    assert snapshot(root) == before
    assert told["generation"] == {"from": 1, "to": 2}
    assert told["packages"] == {
        "activate": [],
        "deactivate": [],
        "swap": [{"name": "a", "from": "a--1", "to": "a--2"}],
    }
    seen = look(root)
    ok(root, "swap", "a--2")
    now = look(root)
    links = {key: {each["path"] for each in paths} for key, paths in told["links"].items()}
    assert links["add"] == now.keys() - seen.keys()
    assert links["remove"] == seen.keys() - now.keys()
    assert links["change"] == {path for path in now.keys() & seen.keys() if now[path] != seen[path]}


def test_roles_bring_their_directories(root: Path) -> None:
    add(root, "r--1", {"etc/all": "all\n", "etc_master/m": "m\n", "bin_agent/x": "x\n"})
    ok(root, "activate", "r--1", "--roles=master")
    assert set(look(root)) == {"etc/all", "etc/m"}
    ok(root, "activate", "r--1", "--roles=master,agent")
    assert set(look(root)) == {"etc/all", "etc/m", "bin/x"}
    ok(root, "activate", "r--1", "--roles=")
    assert set(look(root)) == {"etc/all"}
    sound(root)


def test_environment_files_hold_values_and_run_nothing(root: Path) -> None:
    ok(root, "activate", "b--1")
    shell = f'. {root}/active/environment.export && printf %s "$B"'
    told = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    assert told.stdout == "$(id) `id` \"'\\\n$HOME"


def test_build_information_is_aggregated(root: Path) -> None:
    add(root, "i--1", {"bin/i": "i\n", "buildinfo.full.json": '{"sources": {"x": 1}}'})
    add(root, "i--2", {"bin/i": "i\n", "buildinfo.full.json": '{"sources": {"x": 2}}'})
    ok(root, "activate", "i--1", "b--1")
    aggregate = root / "active/buildinfo.json"
    assert json.loads(aggregate.read_text()) == {"i": {"sources": {"x": 1}}, "b": None}
    ok(root, "swap", "i--2")
    assert json.loads(aggregate.read_text()) == {"i": {"sources": {"x": 2}}, "b": None}
    ok(root, "deactivate", "i")
    assert not aggregate.exists()


CLASHES: dict[str, tuple[dict[str, Content], dict[str, Content], tuple[str, ...]]] = {
    "one file in two": ({"bin/x": "1"}, {"bin/x": "2"}, ("'bin/x'", "p--1", "q--1", "both")),
    "a link and a file": (
        {"bin/x": ("link", "y"), "bin/y": ""},
        {"bin/x": "2"},
        ("'bin/x'", "p--1", "q--1", "both"),
    ),
    "a directory against a file": (
        {"lib/x/y": "1"},
        {"lib/x": "2"},
        ("'lib/x'", "p--1", "q--1", "directory"),
    ),
    "a directory against a link to one": (
        {"lib/x": ("link", "real"), "lib/real/z": "1"},
        {"lib/x/y": "2"},
        ("'lib/x'", "p--1", "q--1", "directory"),
    ),
    "an empty directory against a file": (
        {"lib/x": None, "bin/p": ""},
        {"lib/x": "2"},
        ("'lib/x'", "p--1", "q--1", "directory"),
    ),
    "deep below a link": (
        {"lib/x": ("link", "real"), "lib/real/z": "1"},
        {"lib/x/1/2/3": "2"},
        ("'lib/x'", "p--1", "q--1"),
    ),
}


@pytest.mark.parametrize("order", ["together", "p first", "q first"])
@pytest.mark.parametrize("case", CLASHES)
def test_two_packages_with_one_path(case: str, order: str, root: Path) -> None:
    first, second, words = CLASHES[case]
    add(root, "p--1", first)
    add(root, "q--1", second)
    if order == "together":
        ok(root, "activate", "a--1")
        message = refused(root, "activate", "a--1", "q--1", "p--1")
    else:
        ok(root, "activate", f"{order[0]}--1", "a--1")
        message = refused(root, "activate", "--add", "p--1", "q--1")
    for word in words:
        assert word in message
    assert "File exists" not in message
    sound(root)


def test_a_path_may_go_from_one_package_to_another(root: Path) -> None:
    add(root, "p--1", {"bin/x": "p 1", "lib/d/e": "p 1"})
    add(root, "p--2", {"bin/y": "p 2", "lib/d": "p 2"})
    add(root, "q--1", {"bin/x": "q 1"})
    ok(root, "activate", "p--1", "a--1")
    ok(root, "activate", "p--2", "q--1", "a--1")
    assert (root / "active/bin/x").read_text() == "q 1"
    assert (root / "active/lib/d").read_text() == "p 2"
    ok(root, "rollback")
    assert (root / "active/lib/d/e").read_text() == "p 1"
    sound(root)


ALONE: dict[str, tuple[dict[str, Content], str]] = {
    "a top directory that leads out": (
        {"etc": ("link", "/opt/mesosphere/packages/other--1/etc"), "bin/x": ""},
        "etc",
    ),
    "a top directory that leads to a file": ({"etc": ("link", "f"), "f": ""}, "'etc'"),
    "a top directory that leads nowhere": ({"etc": ("link", "none"), "f": ""}, "'etc'"),
    "a link out of the package": ({"etc/x": ("link", "/opt/mesosphere/etc/shadow")}, "etc/x"),
    "one path from two of its directories": ({"etc/x": "", "etc_master/x": ""}, "etc_master/x"),
}


@pytest.mark.parametrize("case", ALONE)
def test_what_no_set_may_hold(case: str, root: Path) -> None:
    files, word = ALONE[case]
    ok(root, "activate", "a--1")
    try:
        add(root, "p--1", files)
    except Exception as error:
        assert word.strip("'") in str(error)  # noqa: PT017 - refused even earlier
        return
    assert word in refused(root, "activate", "--add", "p--1", "--roles=master")
    sound(root)


def test_a_top_directory_may_be_a_link_inside_the_package(root: Path) -> None:
    add(root, "p--1", {"lib": ("link", "usr/lib"), "usr/lib/x/y": "y\n"})
    ok(root, "activate", "p--1")
    assert look(root) == {"lib/x/y": "y\n"}
    ok(root, "deactivate", "p")
    assert look(root) == {}


def test_packages_are_never_written_into(root: Path) -> None:
    add(root, "p--1", {"lib/x": ("link", "real"), "lib/real/z": "1"})
    before = snapshot(root / "packages")
    ok(root, "activate", "p--1", "a--1")
    add(root, "q--1", {"lib/real/w": "q"})
    before.update({k: v for k, v in snapshot(root / "packages").items() if k.startswith("q--1")})
    ok(root, "activate", "--add", "q--1")
    assert {p.name for p in (root / "active/lib/real").iterdir()} == {"w", "z"}
    ok(root, "rollback")
    ok(root, "deactivate", "p")
    assert snapshot(root / "packages") == before


def test_what_is_needed_is_not_removed(root: Path) -> None:
    ok(root, "activate", "a--1")
    ok(root, "swap", "a--2")
    assert "a--2 is active (generation 2)" in refused(root, "remove", "a--2")
    assert "generation 1" in refused(root, "remove", "a--1")
    ok(root, "remove", "a--3")
    ok(root, "gc", "--keep=1")
    assert run(root, "remove", "a--1").returncode == 66
    sound(root)


def test_gc_takes_what_nothing_needs_and_says_what(root: Path) -> None:
    ok(root, "activate", "a--1")
    ok(root, "activate", "a--2")
    add(root, "new--1", {"bin/new": ""})
    plan = json.loads(ok(root, "gc", "--keep=1", "--dry-run", "--format=json"))
    assert json.loads(ok(root, "gc", "--keep=1", "--format=json")) == plan
    assert plan == {
        "changed": True,
        "generations": [1],
        "packages": ["a--1", "a--3", "b--1"],
        "kept": [2],
        "waiting": ["new--1"],
        "running": {},
    }
    assert not json.loads(ok(root, "gc", "--keep=1", "--format=json"))["changed"]
    assert look(root)["bin/a"] == "a 2\n"
    sound(root)


def test_a_tree_that_somebody_changed_is_made_anew(root: Path) -> None:
    ok(root, "activate", "a--1", "b--1")
    for tree in (root / "generations").iterdir():
        (tree / "bin/a").unlink()
        (tree / "bin/a").write_text("not packager's\n")
        (tree / "etc/a.d/1").unlink()
    ok(root, "swap", "a--2")
    assert look(root)["bin/a"] == "a 2\n"
    ok(root, "rollback", "1")  # the tree is there: it is taken as it is
    ok(root, "activate", "a--1")
    ok(root, "swap", "a--3")
    assert look(root) == dict.fromkeys(version(3), "a 3\n")


def test_thousands_of_links_are_made_and_copied_by_two_threads(root: Path) -> None:
    for number in (1, 2):
        files: dict[str, Content] = {
            f"{top}/{directory}/{n}": f"{number}"
            for top in ("bin", "lib", "etc")
            for directory in ("x", "y")
            for n in range(400)
        }
        add(root, f"many--{number}", {**files, f"include/{number}": ""})
    ok(root, "activate", "many--1", "a--1")
    ok(root, "swap", "many--2")
    ok(root, "swap", "a--2")
    check(root)
    assert len(look(root)) == 2404


@pytest.mark.parametrize("large", [False, True])
def test_a_second_swap_at_once_copies_a_tree_or_waits_for_one(
    large: bool, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the two what is quicker; a tree that is hardly out of use is left alone in either case."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr(tree_pool, "SECONDS_PER_COPIED_LINK", 1.0 if large else 0.0)
    for words in (["a--1", "b--1"], ["a--2", "b--1"], ["a--3", "b--1"]):
        activate(str(root), Request("activate", words), lambda *_, **__: None)
    kept = {path.name for path in (root / "generations").iterdir()}
    assert kept == ({"2", "3"} if large else {"1", "2", "3"})
    assert [0 < each <= tree_pool.MIN_IDLE_SECONDS for each in waited] == [True] * large
    for number in kept:
        tree = root / "generations" / number
        links = [path for path in tree.rglob("*") if path.is_symlink() and path.parent != tree]
        assert json.loads((tree / "generation.json").read_bytes())["links"] == len(links)
    sound(root)


def test_what_fails_in_a_thread_is_raised_when_both_are_done() -> None:
    from packager.base.threads import in_two

    going: list[str] = []

    def work(item: str) -> None:
        going.append(item)
        if item == "5":
            raise OSError(28, "no space left")
        going.remove(item)

    with pytest.raises(OSError, match="no space left"):
        in_two(work, map(str, range(1000)))
    assert going == ["5"]


def test_a_damaged_active_link_is_told_of(root: Path) -> None:
    (root / "active").symlink_to("packages/a--1")
    result = run(root, "active")
    assert result.returncode == 65
    assert "is not a generation" in result.stderr


@pytest.mark.parametrize("keep", [1, 2, 3, 4, 5, 6, 9])
def test_gc_keeps_as_many_as_it_says(root: Path, keep: int) -> None:
    for number in (1, 2, 3, 1):
        ok(root, "activate", f"a--{number}")
    told = json.loads(ok(root, "gc", f"--keep={keep}", "--format=json"))
    assert told["kept"] == [1, 2, 3, 4][-keep:]
    assert told["generations"] == [1, 2, 3, 4][:-keep]
    history = json.loads(ok(root, "history", "--format=json"))["generations"]
    assert [each["generation"] for each in history] == told["kept"]
