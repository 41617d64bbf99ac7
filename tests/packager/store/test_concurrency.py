"""Adds, removes and readers of one store at once, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from packager.base.errors import NotFound
from packager.store.installed import installed_ids
from packager.store.store import Store

from tests.support.tar_archives import END, GOOD, member, snapshot

PACKAGER = Path(sys.executable).with_name("packager")
OTHER = member("f", b"other") + END


def command(root: Path, *words: object, stdin: bytes = b"") -> tuple[int, str]:
    done = subprocess.run(
        [PACKAGER, "--root", str(root), *map(str, words)],
        input=stdin,
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    return done.returncode, done.stdout.decode()


def test_many_adds_of_one_id(tmp_path: Path) -> None:
    """One wins; those with its content succeed, the others are told. Twenty at once."""
    contents = [GOOD, OTHER]
    root = tmp_path / "root"
    with ThreadPoolExecutor(20) as pool:
        results = list(
            pool.map(
                lambda n: command(
                    root, "add", "--id", "a--1", "--format", "json", "-", stdin=contents[n % 2]
                ),
                range(20),
            )
        )
    codes = [code for code, _ in results]
    assert sorted(codes) == [0] * 10 + [73] * 10
    changed = [json.loads(text)["changed"] for code, text in results if code == 0]
    assert changed.count(True) == 1
    assert Store(str(root)).verify()[0].differences == []
    assert snapshot(root / "staging") == {}


def test_adds_removes_and_readers_at_once(tmp_path: Path) -> None:
    """Four ids, added and removed without an order, while readers look: never half a package."""
    root = tmp_path / "root"
    jobs = []
    for n in range(40):
        package_id = f"p{n % 4}--1"
        if n % 3 == 2:
            jobs.append(lambda i=package_id: command(root, "remove", i))
        else:
            jobs.append(lambda i=package_id: command(root, "add", "--id", i, "-", stdin=GOOD))
    seen = set()
    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(job) for job in jobs]
        while not all(job.done() for job in running):
            store = Store(str(root), lock_wait=0)
            for package_id in installed_ids(str(root)):
                seen.add(package_id)
                try:
                    assert store.show(package_id).files == 3
                    assert store.verify([package_id])[0].differences == []
                except NotFound:
                    continue
    assert {job.result()[0] for job in running} <= {0, 66}
    assert seen
    assert all(not verified.differences for verified in Store(str(root)).verify())
    assert snapshot(root / "staging") == {}
    assert {path.name for path in (root / "manifests").iterdir()} == set(installed_ids(str(root)))
