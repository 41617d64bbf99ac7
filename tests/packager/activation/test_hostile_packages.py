"""The longest names there can be, names that the store itself uses, and a store that somebody has
bent: each works or is refused in words, and nothing outside the store is touched."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packager.activation.activate import activate
from packager.activation.garbage_collection import collect
from packager.activation.planning import Request
from packager.base.errors import Conflict, DataError, NotFound
from packager.store.store import Store

from tests.support.package_sets import PACKAGER, add, archive, check, look, ok, run, tidy
from tests.support.tar_archives import snapshot

LONGEST = 255  # bytes of a name, NAME_MAX of every usual file system
DIRECTORIES = ("packages", "manifests", "staging", "generations", "history")
CHANGES = (["activate", "a--1"], ["swap", "a--2"], ["gc", "--keep=1"], ["remove", "c--1"])


def long_names(**files: str) -> bytes:
    """An archive with extended headers: names of any length."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content.encode()))
    return made.getvalue()


def test_the_longest_ids(tmp_path: Path) -> None:
    """All of a life: added, activated, swapped, repaired, collected, removed."""
    root = tmp_path / "store"
    name = "n" * (LONGEST - len("--1"))
    first, second = f"{name}--1", f"{name}--2"
    for number, package_id in enumerate((first, second)):
        (tmp_path / "a.tar").write_bytes(archive({"bin/a": f"{number}", f"lib/{number}": ""}))
        ok(root, "add", f"--id={package_id}", str(tmp_path / "a.tar"))
    ok(root, "activate", first)
    ok(root, "swap", second)
    assert look(root)["bin/a"] == "1"
    (root / "packages" / second / "bin/a").write_text("spoiled")
    ok(root, "repair", f"--from={tmp_path / 'a.tar'}", second)
    assert json.loads(ok(root, "active", "--format=json"))["packages"][0]["id"] == second
    check(root)
    ok(root, "gc", "--keep=1")
    ok(root, "deactivate", name)
    ok(root, "gc", "--keep=1")
    ok(root, "add", f"--id={second}", str(tmp_path / "a.tar"))
    ok(root, "remove", second)
    ok(root, "verify")
    assert [each.name for each in (root / "packages").iterdir()] == []
    tidy(root)


def test_the_longest_paths_of_a_package(tmp_path: Path) -> None:
    root = tmp_path / "store"
    long = "f" * LONGEST
    for number in (1, 2):
        (tmp_path / "a.tar").write_bytes(long_names(**{f"bin/{long}": f"{number}"}))
        ok(root, "add", f"--id=a--{number}", str(tmp_path / "a.tar"))
    ok(root, "activate", "a--1")
    ok(root, "swap", "a--2")
    assert look(root) == {f"bin/{long}": "2"}
    ok(root, "verify")
    check(root)
    tidy(root)


@pytest.mark.parametrize("length", [1, 10, 11, 200, 250, LONGEST])
def test_names_of_units_up_to_the_longest(length: int, tmp_path: Path) -> None:
    root, units = tmp_path / "store", tmp_path / "units"
    units.mkdir()
    name = "u" * (length - len(".service")) + ".service" if length > len(".service") else "u"
    unit = f"dcos.target.wants/{name}"
    (tmp_path / "a.tar").write_bytes(long_names(**{unit: "[Service]\nExecStart=/bin/true\n"}))
    added = run(root, "add", "--id=a--1", str(tmp_path / "a.tar"))
    if added.returncode == 0:
        placing = ("--no-systemd", f"--units-dir={units}")
        result = run(root, "activate", *placing, "a--1")
        assert "Traceback" not in result.stderr
        if result.returncode == 0:
            assert (units / name).is_file()
            check(root)
            return
        assert result.returncode in (64, 65, 73), result.stderr
        assert name in result.stderr
        assert not (root / "active").is_symlink()
    else:
        assert added.returncode == 65, added.stderr


@pytest.mark.parametrize(
    "name",
    [
        *("bin", "lib", "etc", "include", "units", "environment", "environment.export"),
        *("generation.json", "buildinfo.json", "spare", "next", "1", "active", "staging", "lock"),
    ],
)
def test_packages_named_as_the_store_names_its_own(name: str, tmp_path: Path) -> None:
    root = tmp_path / "store"
    add(root, "a--1", {"bin/a": "a\n"})
    ok(root, "activate", "a--1")
    (tmp_path / "p.tar").write_bytes(archive({"bin/p": "p\n"}))
    if run(root, "add", f"--id={name}--1", str(tmp_path / "p.tar")).returncode == 0:
        result = run(root, "activate", "--add", f"{name}--1")
        if result.returncode == 0:
            assert look(root) == {"bin/a": "a\n", "bin/p": "p\n"}
        else:
            assert result.returncode in (64, 65, 73), result.stderr
            assert repr(name) in result.stderr or f"{name}--1" in result.stderr
            assert look(root) == {"bin/a": "a\n"}
    check(root)
    tidy(root)


@pytest.mark.parametrize("directory", DIRECTORIES)
def test_a_directory_of_the_store_that_leads_elsewhere(directory: str, tmp_path: Path) -> None:
    """Changing commands end in words; nothing is written, moved or deleted where it leads."""
    root, elsewhere = tmp_path / "store", tmp_path / "elsewhere"
    for package_id in ("a--1", "a--2", "c--1"):
        add(root, package_id, {"bin/a": package_id})
    ok(root, "activate", "a--1")
    ok(root, "swap", "a--2")
    (root / directory).rename(elsewhere)
    (root / directory).symlink_to(elsewhere)
    (elsewhere / "1-dead").mkdir()  # as if of a killed command
    before = snapshot(elsewhere)
    for words in CHANGES:
        result = run(root, *words)
        assert result.returncode == 78, (words, result.stderr)
        assert "a directory is needed there" in result.stderr
        assert directory in result.stderr
    assert snapshot(elsewhere) == before


def test_a_root_that_is_a_link(tmp_path: Path) -> None:
    """It is the operator's own choice where the store is: a link to it is as good as its path."""
    root, link = tmp_path / "store", tmp_path / "link"
    add(root, "a--1", {"bin/a": "1"})
    link.symlink_to(root)
    ok(link, "activate", "a--1")
    ok(root, "verify")
    check(link)
    assert look(link) == look(root) == {"bin/a": "1"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        *("requires", "conflicts", "provides", "replaces", "environment", "sysctl", "variant"),
        *("state_directory", "description", "licence", "size", "colour", "constructor", "\u202e"),
    ]
)
LIKELY = st.fixed_dictionaries(
    {},
    optional={
        "environment": st.dictionaries(
            st.from_regex(r"[A-Z_][A-Z0-9_]{0,9}", fullmatch=True),
            st.text(max_size=30) | st.integers(),
            max_size=3,
        ),
        "requires": st.lists(st.sampled_from(["p", "q", "p--1", "", "../p", {"name": "p"}])),
        "provides": st.lists(st.sampled_from(["p", "x", {"name": "x", "version": "1"}, 1])),
        "conflicts": st.lists(st.sampled_from(["p", {"name": "p", "version": ">1"}, None])),
        "replaces": st.lists(st.sampled_from(["p", "base", "\n"])),
        "description": st.text(max_size=30),
    },
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile") / "store"
    add(root, "base--1", {"bin/base": "b\n"})
    ok(root, "activate", "base--1")
    return root


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(info=LIKELY | st.dictionaries(KEYS, VALUES, max_size=3))
def test_whatever_a_package_says_of_itself(info: dict[str, object], store: Path) -> None:
    """Added or refused; activated or refused; taken back; nothing of it stays."""

    def change(*words: str) -> None:
        # Its settings for the kernel and its directories are not for this machine.
        activate(str(store), Request(words[0], list(words[1:])), lambda *_, **__: None)

    info.pop("sysctl", None)
    info.pop("state_directory", None)
    try:
        add(store, "p--1", {"bin/p": "p\n"}, info)
    except DataError as refused:
        assert "pkginfo.json" in str(refused)  # noqa: PT017 - it may be taken, too
        return
    try:
        change("activate", "base--1", "p--1")
    except (Conflict, DataError, NotFound):
        pass
    else:
        assert look(store) == {"bin/base": "b\n", "bin/p": "p\n"}
    change("activate", "base--1")
    assert look(store) == {"bin/base": "b\n"}
    collect(str(store), 1, lambda *_, **__: None)
    if (store / "packages/p--1").exists():  # never active: it waits
        Store(str(store)).remove("p--1")
    tidy(store)


def test_who_it_was_is_told_whatever_bytes_the_name_has(tmp_path: Path) -> None:
    root = tmp_path / "store"
    add(root, "a--1", {"bin/a": ""})
    done = subprocess.run(
        [PACKAGER, "activate", "a--1"],
        env={
            "PATH": os.environ["PATH"],
            "PACKAGER_ROOT": str(root),
            "ABI_PRINCIPAL": os.fsdecode(b"a\xff\n"),
        },
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (made,) = json.loads(ok(root, "history", "--format=json"))["generations"]
    assert made["who"] == "a\ufffd\n"
