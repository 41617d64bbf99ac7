"""`packager add`, everything synced, against `tar -xf`, which syncs nothing.

The whole processes, in turns in the same run; each ratio is the median of the rounds' ratios. The
target is on the file system of `--directory`: memory would make syncing free. What is left to write
by tar is synced between the turns, so that nobody pays for another's writes.
Usage: `python add.py [--rounds N] [--directory DIR]`.
"""

from __future__ import annotations

import argparse
import io
import lzma
import os
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

PACKAGER = Path(sys.executable).with_name("packager")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--directory", help="where to work (default: the temporary directory)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        top = Path(name)
        print(f"{'packager add':40} {'add':>8} {'tar -xf':>8} {'ratio':>6} {'reach':>6}")
        small, large = top / "small--1.tar", top / "large--1.tar.xz"
        make_small(small)
        report("2,000 small files, uncompressed tar", small, top, arguments.rounds, 3.0)
        make_large(large)
        report("one file of 200 MB, xz", large, top, arguments.rounds, 1.3)


def report(title: str, archive: Path, top: Path, rounds: int, reach: float) -> None:
    """One line of the table."""
    rows = []
    for number in range(rounds + 1):
        adding, extracting = add(archive, top), extract(archive, top)
        if number:  # the first round fills the page cache
            rows.append((adding, extracting, adding / extracting))
    cells = [statistics.median(column) for column in zip(*rows, strict=True)]
    print("{:40} {:7.3f}s {:7.3f}s {:6.2f} {:6.1f}".format(title, *cells, reach), flush=True)


def add(archive: Path, top: Path) -> float:
    """Seconds of one `packager add` into a fresh store."""
    return timed([str(PACKAGER), "--root", str(top / "root"), "add", str(archive)], top / "root")


def extract(archive: Path, top: Path) -> float:
    """Seconds of one `tar -xf` into a fresh directory."""
    return timed(["tar", "-xf", str(archive), "-C", str(top / "tree")], top / "tree")


def timed(words: list[str], target: Path) -> float:
    target.mkdir()
    os.sync()
    start = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    shutil.rmtree(target)
    os.sync()
    return seconds


def make_small(path: Path) -> None:
    """2,000 files of up to 4 kB in 20 directories."""
    noise = random.Random(1)  # noqa: S311 - not for secrets
    with tarfile.open(path, "w") as archive:
        for number in range(2000):
            info = tarfile.TarInfo(f"lib/d{number % 20}/f{number}")
            info.size = noise.randrange(200, 4000)
            archive.addfile(info, io.BytesIO(noise.randbytes(info.size)))


def make_large(path: Path) -> None:
    """200 MB that compress to about a third, as programs do. The same 10 MB stand in it twenty
    times, each compressed alone: quick to make, and as slow to unpack as if they differed."""
    noise = random.Random(1)  # noqa: S311 - not for secrets
    words = [noise.randbytes(noise.randrange(2, 12)) for _ in range(20_000)]
    piece = b"".join(noise.choices(words, k=1_600_000))[: 10 * 1000 * 1000]
    info = tarfile.TarInfo("bin/large")
    info.size = 20 * len(piece)
    compressed = lzma.compress(piece, preset=1)
    with path.open("wb") as file:
        file.write(lzma.compress(info.tobuf(tarfile.USTAR_FORMAT)))
        for _ in range(20):
            file.write(compressed)
        file.write(lzma.compress(bytes(-info.size % 512 + 1024)))


if __name__ == "__main__":
    main()
