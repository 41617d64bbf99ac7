"""`verify`: whatever is changed in a package, in the active generation or on the host is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from packager.base.errors import NotFound, PackagerError
from packager.verification import verify

from tests.conftest import Simulator
from tests.packager.activation.test_routes import TABLE
from tests.support.package_sets import add, ok, run, version

SERVICE = "[Service]\nExecStart=/bin/true\n"
CHANGED, MISSING, FOREIGN = "changed", "missing", "foreign"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with an active set that has all that a generation can have."""
    root = tmp_path / "store"
    files = {**version(1), "lib/empty": None, "buildinfo.full.json": '{"made":"here"}'}
    add(root, "a--1", {**files, "units/web.service": SERVICE}, {"environment": {"A": "1"}})
    add(root, "b--1", {"bin/b": "b", "etc/a.d/b": "b", "etc/b.d/c.d/d": "d"})
    add(root, "idle--1", {"bin/b": "another b"})
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


def link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def replaced(path: Path, content: str) -> None:
    path.unlink()
    path.write_text(content)


def moved(path: Path) -> None:
    path.rename(path.with_name("moved"))


def into_file(path: Path) -> None:
    subprocess.run(["rm", "-r", path], check=True)
    path.touch()


def into_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def edited(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


class Told:
    """All events, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def __call__(self, event: str, /, **fields: object) -> None:
        self.events.append((event, fields))


# what is done to ROOT/active/PATH, and what is told of it
GENERATION: list[tuple[str, Callable[[Path], object], dict[str, str]]] = [
    ("bin/b", lambda p: link(p, "/bin/sh"), {"bin/b": CHANGED}),
    ("bin/b", Path.unlink, {"bin/b": MISSING}),
    ("bin/b", lambda p: replaced(p, "b"), {"bin/b": CHANGED}),
    ("bin/b", into_directory, {"bin/b": CHANGED}),
    ("bin/b", moved, {"bin/b": MISSING, "bin/moved": FOREIGN}),
    ("bin/evil", lambda p: p.symlink_to("../a/bin/a"), {"bin/evil": FOREIGN}),
    ("bin/evil", Path.touch, {"bin/evil": FOREIGN}),
    ("bin/evil", os.mkfifo, {"bin/evil": FOREIGN}),
    ("etc/evil.d", Path.mkdir, {"etc/evil.d": FOREIGN}),
    ("etc/b.d", into_file, {"etc/b.d": CHANGED}),
    ("etc/b.d", moved, {"etc/b.d": MISSING, "etc/moved": FOREIGN}),
    ("etc/b.d", lambda p: p.chmod(0o777), {"etc/b.d": CHANGED}),
    ("lib/empty", Path.rmdir, {"lib/empty": MISSING}),
    ("include", Path.rmdir, {"include": MISSING}),
    ("", lambda p: p.chmod(0o700), {"": CHANGED}),
    ("a", lambda p: link(p, "../../packages/idle--1"), {"a": CHANGED}),
    ("a", Path.unlink, {"a": MISSING}),
    ("idle", lambda p: p.symlink_to("../../packages/idle--1"), {"idle": FOREIGN}),
    ("units/web.service", Path.unlink, {"units/web.service": MISSING}),
    ("units/web.service", lambda p: replaced(p, SERVICE), {"units/web.service": CHANGED}),
    ("environment", edited, {"environment": CHANGED}),
    ("environment", lambda p: p.chmod(0o666), {"environment": CHANGED}),
    ("environment.export", Path.unlink, {"environment.export": MISSING}),
    ("environment.export", lambda p: link(p, "environment"), {"environment.export": CHANGED}),
    ("buildinfo.json", edited, {"buildinfo.json": CHANGED}),
    (
        "etc/dcos-service-configuration.json",
        edited,
        {"etc/dcos-service-configuration.json": CHANGED},
    ),
    ("generation.json", edited, {"generation.json": CHANGED}),
    ("generation.json", lambda p: replaced(p, "{}"), {"generation.json": CHANGED}),
    ("generation.json", Path.unlink, {"generation.json": MISSING}),
]


@pytest.mark.parametrize(
    ("path", "change", "told"),
    GENERATION,
    ids=[f"{path} {number}" for number, (path, _, _) in enumerate(GENERATION)],
)
def test_any_change_of_the_active_generation_is_found(
    root: Path, path: str, change: Callable[[Path], object], told: dict[str, str]
) -> None:
    before, after = Told(), Told()
    verify.verify(str(root), (), before)
    assert all(event == "verified" and fields["ok"] for event, fields in before.events)
    change((root / "active").resolve() / path)
    verify.verify(str(root), (), after)
    differences = [fields for event, fields in after.events if event == "difference"]
    assert {each["path"]: each["kind"] for each in differences} == told
    assert all(each["generation"] == 1 for each in differences)


def test_what_was_not_asked_for_is_not_looked_at(root: Path) -> None:
    (root / "active/bin/b").unlink()
    assert verified(root, "b--1") == {
        "ok": True,
        "packages": [{"id": "b--1", "ok": True, "differences": []}],
        "active": None,
    }
    active = verified(root)["active"]
    assert active == {
        "generation": 1,
        "ok": False,
        "differences": [{"path": "bin/b", "kind": MISSING, "reason": "the link is missing"}],
    }


def verified(root: Path, *words: str) -> dict[str, object]:
    result = run(root, "verify", "--format=json", *words)
    document: dict[str, object] = json.loads(result.stdout)
    assert result.returncode == (0 if document["ok"] else 65), result.stderr
    assert bool(result.stderr) != document["ok"]
    return document


def test_any_change_of_the_units_on_the_host_is_found(root: Path) -> None:
    unit = root.parent / "system/web.service"
    wants = root.parent / "system/dcos.target.wants/web.service"
    edited(unit)
    assert of_generation(root) == {str(unit): CHANGED}
    unit.unlink()
    assert of_generation(root) == {str(unit): MISSING}
    unit.write_text(SERVICE)
    wants.unlink()
    assert of_generation(root) == {str(wants): MISSING}
    wants.symlink_to("../web.service")
    assert of_generation(root) == {}
    (root / "host.json").write_text("{}")
    assert of_generation(root) == {f"{root}/host.json": CHANGED}


def of_generation(root: Path) -> dict[str, str]:
    active = verified(root)["active"]
    return {each["path"]: each["kind"] for each in active["differences"]}  # type: ignore[index]


def test_history_that_tells_another_story(root: Path) -> None:
    place = root / "history/1.json"
    replaced(place, place.read_text().replace("a--1", "idle--1"))
    assert of_generation(root) == {str(place): CHANGED}
    place.unlink()  # as after a kill; the next command writes it
    assert of_generation(root) == {}
    ok(root, "recover")
    assert place.exists()


@pytest.mark.parametrize("target", ["/etc", "generations/7", "generations/x"])
def test_active_leads_elsewhere(root: Path, target: str) -> None:
    link(root / "active", target)
    assert list(of_generation(root)) == [""]


def test_a_package_of_the_active_set_is_gone(root: Path) -> None:
    subprocess.run(["rm", "-r", root / "packages/b--1", root / "manifests/b--1"], check=True)
    (root / "active/bin/evil").touch()
    assert of_generation(root) == {"b": MISSING, "bin/evil": FOREIGN}


def test_tables_and_events(root: Path) -> None:
    assert ok(root, "verify") == "3 packages and generation 1 verified, no difference\n"
    (root / "packages/idle--1/bin/evil").touch()
    (root / "active/bin/b").unlink()
    result = run(root, "verify")
    assert [line.split()[:4] for line in result.stdout.splitlines()] == [
        ["OF", "PATH", "KIND", "DIFFERENCE"],
        ["idle--1", "bin/evil", "foreign", "a"],
        ["generation", "1", "bin/b", "missing"],
    ]
    assert result.stderr == (
        "packager: 1 of 3 packages differs from what was added; "
        "generation 1 differs from what was made\n"
    )
    told = [json.loads(each) for each in run(root, "verify", "--format=ndjson").stdout.splitlines()]
    assert told == [
        {"event": "verified", "id": "a--1", "ok": True, "differences": 0},
        {"event": "verified", "id": "b--1", "ok": True, "differences": 0},
        {
            "event": "difference",
            "id": "idle--1",
            "path": "bin/evil",
            "kind": "foreign",
            "reason": "a file that was not added",
        },
        {"event": "verified", "id": "idle--1", "ok": False, "differences": 1},
        {
            "event": "difference",
            "generation": 1,
            "path": "bin/b",
            "kind": "missing",
            "reason": "the link is missing",
        },
        {"event": "verified", "generation": 1, "ok": False, "differences": 1},
    ]


def test_every_generation_is_as_it_was_made(root: Path) -> None:
    """However a tree came to be: built, changed, copied, gone back to."""
    add(root, "a--2", version(2), {"environment": {"A": "2"}})
    for words in (
        ["swap", "a--2"],
        ["swap", "a--1"],
        ["deactivate", "b"],
        ["rollback", "1"],
        ["activate", "--roles=r", "a--2"],
        ["rollback"],
        ["gc", "--keep=1"],
    ):
        action = [words[0], *([] if words[0] == "gc" else options(root)), *words[1:]]
        ok(root, *action)
        assert of_generation(root) == {}, words


def test_nothing_differs_while_the_set_changes(root: Path) -> None:
    add(root, "a--2", {**version(2), "units/web.service": f"# 2\n{SERVICE}"})
    stop = threading.Event()
    failures: list[str] = []

    def swap() -> None:
        number = 0
        while not stop.is_set():
            result = run(root, "swap", *options(root), f"a--{2 - number % 2}")
            failures.extend([result.stderr] if result.returncode else [])
            number += 1

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for _ in range(8):
            assert verified(root)["ok"] is True
    finally:
        stop.set()
        swapping.join()
    assert failures == []


def test_side_by_side_is_the_same_as_one_after_the_other(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packages, and the parts of large ones, on several processors."""
    big = {f"lib/{number}": "x" * (number * 1000) for number in range(20)}
    add(root, "big--1", {**big, "bin/link": ("link", "../lib/1")})
    for number in (3, 17):
        (root / f"packages/big--1/lib/{number}").write_text("y" * (number * 1000))
    (root / "packages/big--1/lib/evil").touch()
    (root / "packages/big--1/bin/link").unlink()
    (root / "packages/big--1/lib/5").chmod(0o600)
    (root / "packages/b--1/bin/b").write_text("B")
    (root / "manifests/idle--1").write_text("{}")
    (root / "active/bin/b").unlink()
    alone, together = Told(), Told()
    verify.verify(str(root), (), alone, processors=1)
    monkeypatch.setattr(verify, "MIN_PARALLEL_SECONDS", 0.0)
    monkeypatch.setattr(verify, "MIN_SPLIT_BYTES", 30_000)
    verify.verify(str(root), (), together, processors=3)
    assert together.events == alone.events
    assert len(alone.events) == 5 + 8
    with pytest.raises(NotFound):
        verify.verify(str(root), ["a--1", "a--9"], together, processors=3)


def test_a_package_that_goes_while_all_are_verified(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "installed_ids", lambda _: ["a--1", "gone--1", "idle--1"])
    monkeypatch.setattr(verify, "MIN_PARALLEL_SECONDS", 0.0)
    told = Told()
    verify.verify(str(root), (), told, processors=2)
    assert [fields.get("id") for _, fields in told.events] == ["a--1", "idle--1", None]


def test_what_can_not_be_read_ends_all_of_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (root / "packages/b--1/bin").chmod(0)
    assert run(root, "verify").returncode == 77
    monkeypatch.setattr(verify, "MIN_PARALLEL_SECONDS", 0.0)
    with pytest.raises(PackagerError) as caught:
        verify.verify(str(root), (), Told(), processors=2)
    assert caught.value.exit_code == 77
    (root / "packages/b--1/bin").chmod(0o755)


def test_the_report_is_the_answer_over_http(
    root: Path, simulator: Callable[..., Simulator]
) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    agent = simulator(TABLE, f"--environment=PACKAGER_ROOT={root}", f"--environment=PATH={path}")
    url = f"{agent.url}/packager/verify.json"
    damages: list[Callable[[], object]] = [
        lambda: None,
        (root / "active/bin/b").unlink,
        (root / "active").unlink,
    ]
    for damage in damages:
        damage()
        answer = requests.get(url, timeout=60)
        assert answer.status_code == 200
        assert answer.json() == verified(root)
    link_or_make(root / "active")
    answer = requests.get(url, timeout=60)
    assert (answer.status_code, answer.json()["ok"]) == (200, False)
    assert requests.get(f"{url}?ids=unheard-of--1", timeout=60).status_code == 404


def link_or_make(path: Path) -> None:
    path.symlink_to("nowhere")
