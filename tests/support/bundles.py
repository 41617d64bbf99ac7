"""Bundles of the commands, made once for all tests of a run, and what can be wrong with one.

The first is made by the tool, in full. The others are copies of it without the largest libraries,
which differ in a few files: other versions, formats, hosts.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import bundle
import packager

from tests.support.packager_command import BARE

NAME = "mesos-packager"
CHECKOUT = packager.__version__
FULL = f"{NAME}--{CHECKOUT}"
LEFT_OUT = ("cryptography", "cffi", "securesystemslib", "tuf", "pycparser", "_cffi_backend")
OWN = Path("packager/__init__.py")
PATH = f"{Path(sys.executable).parent}:/usr/bin:/bin"


class Bundles:
    """The trees and archives below `top`, which all workers of a run share."""

    def __init__(self, top: Path) -> None:
        self._top = top

    @property
    def full(self) -> Path:
        """The archive that the tool makes, but for its compression."""
        return self._archive("full", FULL, self._lay_out)

    def version(self, version: str) -> Path:
        """A small bundle that says it is this version."""
        return self._small("plain", version, lambda _: None)

    def poisoned(self, version: str) -> Path:
        """One that ends as soon as it is to read a compressed archive, and not before."""

        def change(tree: Path) -> None:
            place = Path("packager/archive/decompression_thread.py")
            replace(tree, place, "\nimport ", "\nimport poison, ", count=1)

        return self._small("poisoned", version, change)

    def of_format(self, version: str, number: int) -> Path:
        """One that writes stores of another format, which it is the first to read."""

        def change(tree: Path) -> None:
            place = Path("packager/store/store_format.py")
            replace(tree, place, "FORMAT = 1  #", f"FORMAT = {number}  #", count=1)
            replace(tree, place, 'SINCE = "0.1.0"', f'SINCE = "{version}"')

        return self._small(f"format{number}", version, change)

    def for_another_host(self, version: str) -> Path:
        """One for another Python, so it can't start."""

        def change(tree: Path) -> None:
            marker = tree / "python" / f"for{EXTENSION_SUFFIXES[0]}"
            marker.rename(marker.with_name("for.cpython-399-z80-linux-gnu.so"))

        return self._small("other-host", version, change)

    def _small(self, kind: str, version: str, change: Callable[[Path], None]) -> Path:
        def make(tree: Path) -> None:
            source = self._tree("full", FULL, self._lay_out)
            ignored = shutil.ignore_patterns(*(f"{each}*" for each in LEFT_OUT))
            shutil.copytree(source, tree, ignore=ignored, copy_function=os.link)
            replace(tree, OWN, f'"{CHECKOUT}"', f'"{version}"')
            change(tree)

        return self._archive(kind, f"{NAME}--{version}", make)

    def _lay_out(self, tree: Path) -> None:
        tree.mkdir()
        bundle.lay_out(tree, [], module=None)

    def _tree(self, kind: str, package_id: str, make: Callable[[Path], None]) -> Path:
        """The directory of a bundle, made now if nobody has."""
        tree = self._top / kind / package_id
        with self._lock(f"{kind}-{package_id}"):
            if not tree.exists():
                tree.parent.mkdir(parents=True, exist_ok=True)
                unfinished = tree.with_name(f".{package_id}")
                shutil.rmtree(unfinished, ignore_errors=True)
                make(unfinished)
                unfinished.rename(tree)
        return tree

    def _archive(self, kind: str, package_id: str, make: Callable[[Path], None]) -> Path:
        tree = self._tree(kind, package_id, make)
        # One that can't start can't pack itself either.
        packer = self._tree("full", FULL, self._lay_out) / "bin/packager"
        archive = self._top / kind / f"{package_id}.tar"
        with self._lock(f"{kind}-{package_id}.tar"):
            if not archive.exists():
                words = ["build", f"--id={package_id}", f"--output={archive}"]
                done = run([packer, *words, "--compression=none", tree])
                assert done.returncode == 0, done.stderr
        return archive

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        self._top.mkdir(parents=True, exist_ok=True)
        with (self._top / f"{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def replace(tree: Path, source: Path, old: str, new: str, count: int = -1) -> None:
    """Change a source of a bundle, whose files are links to another one's."""
    place = tree / "python" / source
    text = place.read_text()
    assert old in text
    place.unlink()
    place.write_text(text.replace(old, new, count))
    for each in place.parent.joinpath("__pycache__").glob(f"{place.stem}.*.pyc"):
        each.unlink()
    bundle.compile_sources(tree / "python", [str(source)])


def unpacked(archive: Path, place: Path, umask: int = 0o022) -> Path:
    """The archive's content in the new directory `place`, as tar gives it to a person."""
    place.mkdir(parents=True)
    subprocess.run(
        ["tar", "-C", place, "--no-same-permissions", "-xf", archive], check=True, umask=umask
    )
    return place


def run(
    command: list[str | Path],
    env: dict[str, str] | None = None,
    *,
    stdin: bytes = b"",
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program of a bundle to its end, everything captured."""
    return subprocess.run(
        [*map(str, command)],
        input=stdin,
        cwd=cwd,
        env=env or {**BARE, "PATH": PATH},
        capture_output=True,
        timeout=120,
        check=False,
    )
