"""`repair`: what verify finds is put right in its place, whatever interrupts it.

In the scenes that are killed, two files of one package, a link and the document of the active
generation have been changed by hand.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from packager.generations.document import active_number
from packager.store.store import Store

from tests.support.kill_points import Point, counting, doing, points, tell, why_no_strace
from tests.support.manifest_records import lasting_content
from tests.support.package_sets import archive, content, ok, run, seen, tidy, version
from tests.support.power_loss import Recording, judged, recording_to
from tests.support.repository_site import configuration, site

A = version(1)
INFO: dict[str, object] = {"environment": {"A": "1"}}
UNSIGNED = {"name": "main", "trust": "off"}
SERVICE = "[Service]\nExecStart=/bin/true\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return build(tmp_path / "store")


def build(root: Path) -> Path:
    """An active set of two packages; the archives stand beside the store."""
    for package_id, files in (("a--1", A), ("b--1", {"bin/b": "b", "units/b.service": SERVICE})):
        file = root.parent / f"{package_id}.tar"
        file.write_bytes(archive(files, INFO if package_id == "a--1" else None))
        ok(root, "add", str(file))
    ok(root, "activate", *options(root), "a--1", "b--1")
    return root


def options(root: Path) -> list[str]:
    host = root.parent
    return [
        "--no-systemd",
        f"--units-dir={host}/system",
        f"--state-dir={host}/lib",
        f"--config-dir={host}/etc",
    ]


def fresh(root: Path, package_id: str = "a--1") -> list[str]:
    return ["repair", *options(root), f"--from={root.parent}/{package_id}.tar", package_id]


def damage(root: Path) -> None:
    package = root / "packages/a--1"
    (package / "bin/a").write_text("changed")
    (package / "bin/foreign").write_text("foreign")
    (package / "lib/a/only1/x").unlink()


def verified(root: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(run(root, "verify", "--format=json").stdout)
    return found


def test_a_package_from_its_archive(root: Path) -> None:
    before = (root / "packages/a--1").stat().st_ino
    damage(root)
    assert run(root, "verify").returncode == 65
    assert ok(root, *fresh(root)) == "repaired a--1\n"
    assert verified(root)["ok"]
    assert (root / "active/bin/a").read_text() == A["bin/a"]
    assert (root / "packages/a--1").stat().st_ino != before
    tidy(root)
    inode = (root / "packages/a--1").stat().st_ino
    assert ok(root, *fresh(root)) == "nothing differs; nothing was changed\n"
    assert (root / "packages/a--1").stat().st_ino == inode


def become_a_file(package: Path) -> None:
    shutil.rmtree(package)
    package.write_text("a file")


def become_a_link(package: Path) -> None:
    shutil.rmtree(package)
    package.symlink_to("b--1")


def put_a_fifo_in_place_of_a_directory(package: Path) -> None:
    (package / "etc").rename(package / "was")
    os.mkfifo(package / "etc")


@pytest.mark.parametrize(
    "harm",
    [
        lambda package: shutil.rmtree(package / "bin"),
        lambda package: (package / "bin/a").chmod(0o777),
        lambda package: package.chmod(0o700),
        become_a_file,
        become_a_link,
        shutil.rmtree,
        put_a_fifo_in_place_of_a_directory,
    ],
)
def test_whatever_was_done_to_it(harm: Callable[[Path], object], root: Path) -> None:
    harm(root / "packages/a--1")
    assert not verified(root)["ok"]
    ok(root, *fresh(root))
    assert verified(root)["ok"]
    tidy(root)


def test_another_archive_is_refused(root: Path) -> None:
    damage(root)
    other = root.parent / "a--1.tar"
    other.write_bytes(archive({**A, "bin/a": "another"}, INFO))
    done = run(root, *fresh(root))
    assert done.returncode == 65
    assert "not the a--1 that was added" in done.stderr
    assert (root / "packages/a--1/bin/a").read_text() == "changed"
    tidy(root)


def test_a_damaged_record_needs_a_hash(root: Path) -> None:
    record = root / "manifests/a--1"
    before = lasting_content(record)
    record.write_bytes(record.read_bytes().replace(b'"files":', b'"Files":'))
    done = run(root, *fresh(root))
    assert (done.returncode, "give its SHA-256" in done.stderr) == (65, True)
    sha256 = hashlib.sha256((root.parent / "a--1.tar").read_bytes()).hexdigest()
    ok(root, *fresh(root), f"--sha256={sha256}")
    assert lasting_content(record) == before
    assert verified(root)["ok"]


def test_all_that_differs_from_the_repository(root: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for each in ("a--1", "b--1"):
        shutil.copy(tmp_path / f"{each}.tar", shelf)
    ok(root, "index", str(shelf))
    with site(shelf) as served:
        config = configuration(tmp_path / "config.toml", {**UNSIGNED, "url": served.url})
        damage(root)
        (root / "packages/b--1/bin/b").write_text("changed")
        (root / "active/bin/b").unlink()
        words = ["repair", *options(root), f"--config={config}", "--format=ndjson"]
        lines = [json.loads(line) for line in ok(root, *words).splitlines()]
    told = [line for line in lines if line["event"] in ("repaired", "renewed", "done")]
    assert told == [
        {"event": "repaired", "id": "a--1"},
        {"event": "repaired", "id": "b--1"},
        {"event": "renewed", "generation": 1},
        {"event": "done", "changed": True, "repaired": 2, "failed": 0},
    ]
    assert verified(root)["ok"]


def test_what_one_fails_of_does_not_stop_the_others(root: Path, tmp_path: Path) -> None:
    config = configuration(tmp_path / "config.toml", {**UNSIGNED, "url": "http://127.0.0.1:9/"})
    damage(root)
    (root / "active/bin/b").unlink()
    words = ["repair", *options(root), f"--config={config}", "--retries=0", "--format=json"]
    done = run(root, *words)
    assert done.returncode == 69
    document = json.loads(done.stdout)
    assert [each["id"] for each in document["packages"] if not each["ok"]] == ["a--1"]
    assert document["generation"] == 1
    assert (root / "active/bin/b").read_text() == "b"


@pytest.mark.parametrize(
    "harm",
    [
        lambda tree: (tree / "bin/a").unlink(),
        lambda tree: ((tree / "bin/a").unlink(), (tree / "bin/a").write_text("x")),
        lambda tree: (tree / "bin/foreign").write_text("x"),
        lambda tree: (tree / "environment").write_text("A=2\n"),
        lambda tree: (tree / "generation.json").unlink(),
        lambda tree: (tree / "generation.json").write_text("{}"),
        lambda tree: (tree / "a").unlink(),
        shutil.rmtree,
    ],
)
def test_the_links_of_the_active_set(harm: Callable[[Path], object], root: Path) -> None:
    tree = root / "generations/1"
    before = seen(tree)
    ok(root, "swap", *options(root), "b--1")  # the history has its place
    harm(tree)
    assert not verified(root)["ok"]
    ok(root, "repair", *options(root))
    assert verified(root)["ok"]
    assert seen(tree) == before
    assert active_number(str(root)) == 1
    tidy(root)
    ok(root, "deactivate", *options(root), "b")
    ok(root, "rollback", *options(root))
    assert seen(root / "active") == before


def test_unit_files(root: Path) -> None:
    unit = root.parent / "system/b.service"
    unit.write_text("edited")
    assert ok(root, "repair", *options(root)) == "placed b.service\n"
    assert unit.read_text() == SERVICE
    (root.parent / "system/dcos.target.wants/b.service").unlink()
    unit.unlink()
    ok(root, "repair", *options(root))
    assert verified(root)["ok"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--from=x.tar"], 64, "give its id"),
        (["--sha256=" + "0" * 64, "a--1"], 64, "--from"),
        (["c--1"], 66, "not installed"),
        (["--from=/nonexistent/a--1.tar", "a--1"], 66, "no such file"),
        (["--config=/dev/null", "a--1"], 78, "no repository is configured"),
    ],
)
def test_refusals(words: list[str], code: int, said: str, root: Path) -> None:
    damage(root)
    done = run(root, "repair", *options(root), *words)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_where_directories_cannot_be_exchanged(root: Path, tmp_path: Path) -> None:
    if why_no_strace():
        pytest.skip(why_no_strace())
    damage(root)
    tracer = doing("error=EINVAL", Point("renameat2", 1, ""), Path("/dev/null"))
    done = run(root, *fresh(root), tracer=tracer)
    assert done.returncode == 74
    assert "can't exchange two directories" in done.stderr
    assert (root / "active/bin/a").read_text() == "changed"
    tidy(root)


def test_readers_always_find_the_package(root: Path) -> None:
    program = root / "active/etc/a.d/1"
    stop = threading.Event()
    lost: list[OSError] = []

    def read() -> None:
        while not stop.is_set():
            try:
                program.read_text()
            except OSError as error:
                lost.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(10):
            (root / "packages/a--1/bin/a").write_text("changed")
            ok(root, *fresh(root))
            (root / "active/environment").unlink()
            ok(root, "repair", *options(root))
    finally:
        stop.set()
        reader.join()
    assert lost == []


def package_scene(root: Path) -> list[str]:
    damage(root)
    return fresh(root)


def record_scene(root: Path) -> list[str]:
    damage(root)
    (root / "manifests/a--1").write_bytes(b"damaged")
    sha256 = hashlib.sha256((root.parent / "a--1.tar").read_bytes()).hexdigest()
    return [*fresh(root), f"--sha256={sha256}"]


def links_scene(root: Path) -> list[str]:
    (root / "generations/1/bin/b").unlink()
    document = (root / "generations/1/generation.json").read_bytes()
    (root / "generations/1/generation.json").unlink()
    (root / "generations/1/generation.json").write_bytes(document.replace(b"root", b"toor"))
    return ["repair", *options(root)]


def document_scene(root: Path) -> list[str]:
    (root / "generations/1/bin/b").unlink()
    (root / "generations/1/generation.json").write_bytes(b"{}")  # the history's, too
    return ["repair", *options(root)]


def units_scene(root: Path) -> list[str]:
    (root.parent / "system/b.service").write_text("edited")
    return ["repair", *options(root)]


SCENES = {
    "a package": package_scene,
    "a package and its record": record_scene,
    "links": links_scene,
    "links and the document": document_scene,
    "unit files": units_scene,
}


def readable(root: Path) -> dict[str, str | None]:
    """Every path that the sound set has, as a reader finds it now: its content, or nothing."""
    places = {path: root / "active" / path for path in (*A, "bin/b")}
    places["the unit"] = root.parent / "system/b.service"
    found: dict[str, str | None] = {}
    for name, path in places.items():
        try:
            found[name] = content(path)
        except OSError:
            found[name] = None
    return found


class Scene:
    """A damaged store, the command that repairs it, and its calls that change the disk."""

    def __init__(self, top: Path, name: str) -> None:
        self._top = top
        place = top / "run"  # where it is always run: host.json has absolute paths
        place.mkdir()
        build(place / "store")
        self.well = readable(place / "store")
        self.words = SCENES[name](place / "store")
        place.rename(top / "model")
        root = self.fresh()
        self.harmed = readable(root)
        log = top / "log"
        done = run(root, *self.words, tracer=counting(log))
        assert done.returncode == 0, done.stderr
        assert readable(root) == self.well
        self.points = [point for point in points(log.read_text()) if point.changes_something]

    def fresh(self) -> Path:
        place = self._top / "run"
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run(["cp", "-a", self._top / "model", place], check=True)
        return place / "store"

    def inject(self, root: Path, point: Point, what: str) -> int:
        return run(
            root, *self.words, tracer=doing(what, point, self._top / "injected.log")
        ).returncode


@pytest.mark.parametrize("name", SCENES)
def test_killed_at_every_call(
    name: str, memory: Path, record_property: Callable[[str, object], None]
) -> None:
    """A reader finds each path as it was, damage and all, or well; the next repair ends it."""
    if why_no_strace():
        pytest.skip(why_no_strace())
    scene = Scene(memory, name)
    lost = []
    killed = 0
    for point in scene.points:
        root = scene.fresh()
        killed += scene.inject(root, point, "signal=KILL") == -signal.SIGKILL
        try:
            found = readable(root)
            for path, now in found.items():
                assert now in (scene.harmed[path], scene.well[path]), path
            again = run(root, *scene.words)
            assert again.returncode == 0, again.stderr
            assert verified(root)["ok"]
            assert readable(root) == scene.well
            ok(root, "recover")  # nothing was to be done, maybe, and so nothing was swept
            tidy(root)
        except AssertionError as error:
            lost.append(f"{point}: {error}")
    tell("kill points", f"repair of {name}", len(scene.points), lost, record_property)
    assert killed == len(scene.points)


@pytest.mark.parametrize("name", ["a package", "links"])
def test_refused_at_every_call(name: str, memory: Path) -> None:
    """The disk fails: said with 74 and nothing lost, or it did not matter."""
    if why_no_strace():
        pytest.skip(why_no_strace())
    scene = Scene(memory, name)
    lost = []
    for point in scene.points:
        if point.call == "flock":
            continue
        root = scene.fresh()
        code = scene.inject(root, point, "error=EIO")
        try:
            assert code in (0, 74), code
            if code == 0:
                assert readable(root) == scene.well
            for path, now in readable(root).items():
                assert now in (scene.harmed[path], scene.well[path]), path
            assert run(root, *scene.words).returncode == 0
            assert readable(root) == scene.well
        except AssertionError as error:
            lost.append(f"{point}: {error}")
    print(f"EIO in repair of {name}: {len(scene.points)} tried, {len(lost)} lost")
    assert not lost, "\n".join(lost)


@pytest.mark.parametrize("name", ["a package", "a package and its record", "links"])
def test_power_loss(
    name: str, memory: Path, record_property: Callable[[str, object], None]
) -> None:
    if why_no_strace():
        pytest.skip(why_no_strace())
    scene = Scene(memory, name)
    root = scene.fresh()
    before, log = memory / "before", memory / "power.log"
    subprocess.run(["cp", "-a", root, before], check=True)
    assert run(root, *scene.words, tracer=recording_to(log)).returncode == 0

    def judge(image: Path, reported: bool) -> None:
        now = readable(image)
        for path, each in now.items():  # the units are not part of the image
            assert path == "the unit" or each in (scene.harmed[path], scene.well[path]), path
        if reported:
            assert {**now, "the unit": scene.well["the unit"]} == scene.well, (
                "what was reported is not there"
            )
        Store(str(image)).recover()
        assert readable(image) == now
        tidy(image)

    tried, lost = judged(Recording(before, root, log.read_text()), memory / "image", judge)
    tell("power losses", f"repair of {name}", tried, lost, record_property)
