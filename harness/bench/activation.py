"""Activating many packages, and swapping one of them, against what they are measured by.

Whole processes. The first activation against `cp -as` of the same trees, which makes as many links
and syncs nothing; a swap of one package against `python -c pass`. Two layouts: all files flat in
bin, lib, etc and include, and in directories of their own. The second of two quick swaps makes
another tree, once: hence "slowest".
Usage: `python activation.py [--packages N] [--files N] [--rounds N] [--directory DIR]`.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

PACKAGER = Path(sys.executable).with_name("packager")
YARDSTICK = [sys.executable, "-c", "pass"]
TOPS = ("bin", "lib", "etc", "include")
MEMORY = Path("/dev/shm")  # noqa: S108 - a tmpfs, if it is there


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=int, default=500)
    parser.add_argument("--files", type=int, default=100, help="of each package")
    parser.add_argument("--rounds", type=int, default=15, help="swaps")
    parser.add_argument("--directory", help="where to work (default: the temporary directory)")
    arguments = parser.parse_args()
    places = [arguments.directory or tempfile.gettempdir()]
    if os.access(MEMORY, os.W_OK) and arguments.directory is None:
        places.append(str(MEMORY))
    print(f"{'':34} {'packager':>9} {'yardstick':>9} {'ratio':>6} {'reach':>6} {'slowest':>8}")
    for place in places:
        for layout in ("flat", "nested"):
            with tempfile.TemporaryDirectory(dir=place, prefix="packager-bench-") as name:
                measure(Path(name), layout, arguments)


def measure(top: Path, layout: str, arguments: argparse.Namespace) -> None:
    """Two lines of the table, for one layout on one file system."""
    root = top / "root"
    ids = [f"package-{number}--1" for number in range(arguments.packages)]
    for number, package_id in enumerate(ids):
        add(root, package_id, number, layout, arguments.files)
    versions = [f"package-0--{version}" for version in (2, 3)]
    for package_id in versions:
        add(root, package_id, 0, layout, arguments.files)
    os.sync()
    copying = timed(["cp", "-as", *(f"{root}/packages/{each}/." for each in ids), target(top)])
    os.sync()
    activating = timed([str(PACKAGER), "--root", str(root), "activate", *ids])
    kind = file_system(top)
    row(f"first activation, {layout}, {kind}", activating, copying, 1.0, activating)
    rows = []
    for number in range(arguments.rounds):
        swapping = timed([str(PACKAGER), "--root", str(root), "swap", versions[number % 2]])
        rows.append((swapping, timed(YARDSTICK)))
    swaps, bare = (statistics.median(column) for column in zip(*rows, strict=True))
    row(f"swap of one package, {layout}, {kind}", swaps, bare, 5.0, max(rows)[0])


def row(title: str, ours: float, theirs: float, reach: float, slowest: float) -> None:
    cells = f"{ours:8.3f}s {theirs:8.3f}s {ours / theirs:6.2f} {reach:6.1f} {slowest:7.3f}s"
    print(f"{title:34} {cells}", flush=True)


def add(root: Path, package_id: str, number: int, layout: str, files: int) -> None:
    """Add one package whose files are no other's."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for top in TOPS:
            place = top if layout == "flat" else f"{top}/package-{number}"
            for each in range(files // len(TOPS)):
                content = f"{package_id} {each}\n".encode()
                member = tarfile.TarInfo(f"{place}/file-{number}-{each}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    command = [str(PACKAGER), "--root", str(root), "add", "--id", package_id, "-"]
    subprocess.run(command, input=buffer.getvalue(), check=True, stdout=subprocess.DEVNULL)


def target(top: Path) -> str:
    """A fresh directory."""
    shutil.rmtree(top / "copied", ignore_errors=True)
    (top / "copied").mkdir()
    return str(top / "copied")


def timed(command: list[str]) -> float:
    """Seconds of one process, which succeeds."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def file_system(path: Path) -> str:
    """The type of the file system at `path`."""
    command = ["stat", "--file-system", "--format=%T", str(path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return "ext4" if told == "ext2/ext3" else told


if __name__ == "__main__":
    main()
