"""Every command of packager on a large store: time, memory, and what others need for the like.

A store of many packages, a tenth of them active. Each row is one whole process: wall time, and the
peak memory of the largest process of it. The peer is GNU Stow, the package manager in every
distribution that does the same thing, a tree of links to the files of packages in directories of
their own; it is left out where it is not installed (`apt-get install stow`). `cp -as` makes as many
links, and tar unpacks as many files; both sync nothing and remember nothing.

Packages are added without waiting for the disk (what `add` costs is measured by add.py).
Usage: `python scale.py [--packages N] [--files N] [--directory DIR]`; 10000 packages of 100 files
are a million files, and take some minutes.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from packager.base import durable_files
from packager.store.store import Store

PACKAGER = Path(sys.executable).with_name("packager")
# A process inherits the peak memory of the one that starts it, so that is a small one.
LAUNCHER = """
import os, sys, time
begun = time.perf_counter()
nowhere = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1)]
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=nowhere)
_, status, usage = os.wait4(pid, 0)
print(time.perf_counter() - begun, usage.ru_maxrss / 1024)  # MiB
sys.exit(bool(status))
"""
TOPS = ("bin", "lib", "etc", "include")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=int, default=500, help="in the store")
    parser.add_argument("--files", type=int, default=40, help="of each package")
    parser.add_argument("--directory", help="where to work (default: the temporary directory)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory, prefix="packager-bench-") as name:
        measure(Path(name), arguments.packages, arguments.files)


def measure(top: Path, packages: int, files: int) -> None:
    """The table."""
    os.fsync = durable_files.sync_filesystem = lambda _: None
    root = top / "root"
    start = time.perf_counter()
    add(root, "package-0--2", 0, files)
    workers = os.cpu_count() or 1
    for worker in range(workers):
        if os.fork() == 0:
            for number in range(worker, packages, workers):
                add(root, f"package-{number}--1", number, files)
            os._exit(0)
    for _ in range(workers):
        if os.wait()[1]:
            sys.exit("the packages can't be added")
    os.sync()
    made = time.perf_counter() - start
    active = [f"package-{number}--1" for number in range(max(1, packages // 10))]
    count = f"{packages:,} packages, {len(active):,} active, {packages * files:,} files"
    print(f"{count} (made in {made:.0f} s)")
    print(f"{'':44} {'seconds':>9} {'MiB':>7} {'÷ python -c pass':>17}")
    bare = row("python -c pass", [sys.executable, "-c", "pass"])
    rows: list[tuple[str, list[str]]] = [
        ("list", ["list", "--format=json"]),
        ("show", ["show", "--format=json", active[0]]),
        ("plan of the first activation", ["plan", "--format=json", "activate", *active]),
        ("the first activation", ["activate", *active]),
        ("plan of a swap", ["plan", "--format=json", "swap", "package-0--2"]),
        ("swap of one package", ["swap", "package-0--2"]),
        ("swap back", ["swap", "package-0--1"]),
        ("the same set again", ["activate", *active]),
        ("active", ["active", "--format=json"]),
        ("history", ["history", "--format=json"]),
        ("verify of one package", ["verify", active[0]]),
        ("verify of all", ["verify"]),
        ("gc: nothing to do", ["gc", "--keep=9", "--dry-run"]),
    ]
    for title, words in rows:
        row(title, [str(PACKAGER), "--root", str(root), *words], bare)
    peers(top, root, active, bare)
    row("gc of nine tenths", [str(PACKAGER), "--root", str(root), "gc", "--keep=1"], bare)


def peers(top: Path, root: Path, active: list[str], bare: float) -> None:
    """The same set linked, verified and unpacked by other programs."""
    trees = [f"{root}/packages/{each}" for each in active]
    copied, stowed, unpacked = (top / each for each in ("copied", "stowed", "unpacked"))
    for each in (copied, stowed, unpacked):
        each.mkdir()
    row("cp -as of the active set", ["cp", "-as", *(f"{t}/." for t in trees), str(copied)], bare)
    archive = top / "active.tar"
    subprocess.run(["tar", "-cf", archive, "-C", root / "packages", *active], check=True)
    row("tar -xf of the active set", ["tar", "-xf", str(archive), "-C", str(unpacked)], bare)
    row("tar --compare of it", ["tar", "-df", str(archive), "-C", str(unpacked)], bare)
    if not shutil.which("stow"):
        print("GNU Stow is not installed: its rows are left out")
        return
    stow = ["stow", f"--dir={root}/packages", f"--target={stowed}", "--no-folding"]
    row("stow of the active set", [*stow, *active], bare)
    row("stow: swap of one package", [*stow, "-D", active[0], "-S", "package-0--2"], bare)
    row("stow: the same set again", [*stow, *active[1:]], bare)


def row(title: str, command: list[str], bare: float = 0.0) -> float:
    """Run a command that succeeds, print its row; its seconds."""
    os.sync()
    done = subprocess.run(
        [sys.executable, "-IS", "-c", LAUNCHER, *command],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{title}: {' '.join(command)[:200]} failed")
    seconds, memory = map(float, done.stdout.split())
    ratio = seconds / (bare or seconds)
    print(f"{title:44} {seconds:9.3f} {memory:7.1f} {ratio:17.1f}", flush=True)
    return seconds


def add(root: Path, package_id: str, number: int, files: int) -> None:
    """Add a package of small files that no other has, without waiting for the disk."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for each in range(files):
            content = f"{package_id} {each}\n".encode() * (each % 40 + 1)
            member = tarfile.TarInfo(f"{TOPS[each % 4]}/package-{number}/file-{each}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    buffer.seek(0)
    Store(str(root)).add(buffer, package_id=package_id)


if __name__ == "__main__":
    main()
