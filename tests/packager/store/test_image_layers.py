"""A store that came with an image: in a lower layer of an overlay file system, where no directory
can be renamed; and stores of which a part is a mount of its own."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest
from packager.generations.document import active_generation
from packager.store.installed import installed_ids
from packager.store.store import Store
from provisioner.runs import reader, writer
from provisioner.runs.documents import RunStart

from tests.support import fork_server
from tests.support.file_systems import image_layer, mounted, why_no_mounts
from tests.support.host_packages import activate, archive
from tests.support.kill_points import counting, doing, points, scenes, tell, why_no_strace
from tests.support.packager_command import packager, staged
from tests.support.profile_host import Host as ProfileHost
from tests.support.profile_host import configuration, profile

needs_overlay = pytest.mark.skipif(bool(why_no_mounts("overlay")), reason=why_no_mounts("overlay"))


def add(root: Path, package_id: str) -> None:
    files = {f"bin/{package_id[0]}": package_id, f"lib/sub/{package_id[0]}": package_id}
    Store(str(root)).add(io.BytesIO(archive(files)), package_id=package_id)


@pytest.fixture
def image(memory: Path) -> Path:
    """The store of an image: three trees of links, one of them spare, and a forgotten package."""
    root = memory / "image/store"
    for each in ("a--1", "a--2", "b--1", "c--1"):
        add(root, each)
    activate(root, "a--1", "b--1")
    activate(root, "a--2", "b--1")
    assert (root / "generations/spare").exists() or len(list((root / "generations").iterdir())) > 1
    return root


@pytest.fixture
def root(image: Path, memory: Path) -> Iterator[Path]:
    """The same in a container."""
    with image_layer(image.parent, memory / "layer") as merged:
        yield merged / "store"


def run(root: Path, *words: str | Path, code: int = 0) -> subprocess.CompletedProcess[bytes]:
    done = packager(root, *words)
    assert done.returncode == code, done.stderr.decode()
    return done


def is_sound(root: Path) -> None:
    run(root, "verify")
    assert staged(root) == []


@needs_overlay
def test_sets_become_active(root: Path) -> None:
    for number in range(3, 11):
        version = 2 - number % 2
        run(root, "swap", "--no-systemd", f"a--{version}")
        active = active_generation(str(root))
        assert active is not None and active.number == number
        assert (root / "active/bin/a").read_text() == f"a--{version}"
        is_sound(root)
        trees = [each.name for each in (root / "generations").iterdir()]
        assert len(trees) <= 4, "each activation leaves another tree"
    run(root, "rollback", "--no-systemd", "1")
    assert (root / "active/bin/a").read_text() == "a--1"
    is_sound(root)


@needs_overlay
def test_packages_come_and_go(root: Path) -> None:
    add(root, "d--1")
    run(root, "remove", "c--1")
    assert installed_ids(str(root)) == ["a--1", "a--2", "b--1", "d--1"]
    assert not (root / "manifests/c--1").exists()
    add(root, "c--1")
    run(root, "swap", "--no-systemd", "a--1")
    run(root, "gc", "--keep=1")
    assert installed_ids(str(root)) == ["a--1", "b--1"]
    assert [each.name for each in (root / "history").iterdir()] == ["3.json"]
    is_sound(root)


@needs_overlay
def test_what_somebody_has_changed_is_kept(root: Path) -> None:
    """As where directories are renamed: the tree that goes takes the same way."""
    (root / "packages/c--1/bin/c").write_text("edited by hand")
    (root / "packages/c--1/notes").write_text("by somebody")
    run(root, "remove", "c--1")
    kept = {each.name: each.read_text() for each in (root / "kept").rglob("*") if each.is_file()}
    assert kept == {"c": "edited by hand", "notes": "by somebody"}
    (root / "active/etc/web.conf").write_text("by somebody, too")
    for version in (1, 2, 1):
        run(root, "swap", "--no-systemd", f"a--{version}")
    run(root, "gc", "--keep=1")
    texts = [each.read_text() for each in (root / "kept").rglob("web.conf")]
    assert texts == ["by somebody, too"]
    is_sound(root)


@needs_overlay
def test_a_damaged_package_of_the_image(root: Path, memory: Path) -> None:
    source = memory / "b--1.tar"
    source.write_bytes(archive({"bin/b": "b--1", "lib/sub/b": "b--1"}))
    (root / "packages/b--1/bin/b").write_text("spoiled")
    done = run(root, "repair", "b--1", f"--from={source}", code=74)
    assert b"layer of an image" in done.stderr
    run(root, "deactivate", "--no-systemd", "b")
    run(root, "gc", "--keep=1")
    run(root, "add", source)
    run(root, "activate", "--no-systemd", "--add", "b--1")
    is_sound(root)


WORDS = {
    "remove": ["remove", "c--1"],
    "swap": ["swap", "--no-systemd", "a--1"],
    "gc": ["gc", "--keep=1"],
}


@needs_overlay
@pytest.mark.parametrize("name", scenes(WORDS, long=["gc"]))
def test_killed_at_every_call(
    image: Path, memory: Path, name: str, record_property: Callable[[str, object], None]
) -> None:
    """After the next command that writes there is the old or the new state, and nothing else."""
    if why_no_strace():
        pytest.skip(why_no_strace())
    layer = memory / "layer"

    def at_work(tracer: Sequence[str]) -> tuple[int, object]:
        with image_layer(image.parent, layer) as merged:
            root = merged / "store"
            words = ["packager", f"--root={root}", *WORDS[name]]
            code = fork_server.run(words, os.environ, tracer=tracer).returncode
            run(root, "recover")
            is_sound(root)
            active = active_generation(str(root))
            records = sorted(each.name for each in (root / "manifests").iterdir())
            assert records == installed_ids(str(root))
            numbers = {each.stem for each in (root / "history").iterdir()}
            trees = {each.name for each in (root / "generations").iterdir()} - {"spare"}
            assert trees <= numbers
            number = active.number if active is not None else None
            state = (records, number) if name != "gc" else number
        shutil.rmtree(layer)
        return code, state

    log = memory / "log"
    code, new = at_work(counting(log))
    assert code == 0
    found = points(log.read_text())
    _, old = at_work(doing("signal=KILL", found[0], memory / "injected"))
    lost = []
    killed = 0
    for point in found[:: 1 if name == "remove" else 3]:
        try:
            code, state = at_work(doing("signal=KILL", point, memory / "injected"))
            killed += code == -signal.SIGKILL
            assert state in (old, new), f"{state}"
        except AssertionError as error:
            lost.append(f"{point}: {error}")
            shutil.rmtree(layer, ignore_errors=True)
    assert killed
    tell("kill points", f"{name} in an image's layer", len(found), lost, record_property)


@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
@pytest.mark.parametrize("name", ["packages", "manifests"])
def test_a_part_of_the_store_that_is_a_mount(memory: Path, kind: str, name: str) -> None:
    if why_no_mounts(kind):
        pytest.skip(why_no_mounts(kind))
    root = memory / "store"
    add(root, "a--1")
    add(root, "b--1")
    other = memory / "other"
    shutil.copytree(root / name, other, symlinks=True)
    source: str | Path = "none" if kind == "tmpfs" else other
    with mounted(kind, source, root / name):
        if kind == "tmpfs":
            shutil.copytree(other, root / name, symlinks=True, dirs_exist_ok=True)
        done = packager(root, "add", "--id=c--1", "-", stdin=archive({"bin/c": "c"}))
        assert done.returncode == 78, done.stderr
        assert b"mount all of the store there" in done.stderr and b"--root" not in done.stderr
        assert installed_ids(str(root)) == ["a--1", "b--1"]
        assert staged(root) == []
        activate(root, "a--1")
        assert (root / "active/bin/a").read_text() == "a--1"


@needs_overlay
def test_damaged_links_of_the_image(root: Path) -> None:
    (root / "active/lib/sub/b").unlink()
    done = run(root, "repair", code=74)
    assert b"layer of an image" in done.stderr and b"swap or add" in done.stderr
    run(root, "swap", "--no-systemd", "a--1")
    run(root, "repair", "--no-systemd") if packager(root, "verify").returncode else None
    is_sound(root)


@needs_overlay
def test_runs_of_the_image_that_are_not_kept(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_RUNS_KEPT", 3)
    monkeypatch.setattr(writer, "MAX_GOOD_RUNS_KEPT", 1)
    host = ProfileHost(memory / "image")
    host.add("a--1", {"bin/a": "a"})

    for number in range(3):
        host.applied(profile(packages=["a"], configuration=configuration(values={"n": number})))
    with image_layer(host.top, memory / "layer"), writer.locked_runs(str(host.root)) as runs:
        applied = reader.applied_run(str(host.root))
        assert applied is not None
        document = applied.profile()
        start = cast(RunStart, {key: applied.record[key] for key in RunStart.__annotations__})  # type: ignore[literal-required]
        for _ in range(4):
            runs.finish(runs.begin(document, start), "applied", None, applied=True)
            assert len(reader.run_numbers(str(host.root))) <= 5
        left = reader.run_numbers(str(host.root))
        assert 1 not in left and 3 not in left  # 2 is where `rollback` leads
        assert host.json("history")["applied"] == 7
