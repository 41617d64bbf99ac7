"""A storm: every changing command at once on one store, killed at random moments, with readers.

The commands and their kills are drawn from a seed, which is printed: PACKAGER_STORM_SEED draws the
same again, PACKAGER_STORM_SECONDS lets it last longer.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.packager.activation.storm_commands import SMALL, WIDE
from tests.support.package_sets import archive, check, ok, tidy
from tests.support.packager_command import working_on

SECONDS = os.environ.get("PACKAGER_STORM_SECONDS", "8")
SEED = os.environ.get("PACKAGER_STORM_SEED", str(random.SystemRandom().randrange(1 << 32)))
STREAMS = 4
READERS = 2
FILES = 20
TOPS = ("bin", "etc/deep/er")
# Done, not there, refused as things are, waited for the lock too long.
EXPECTED = {0, 66, 73, 75}

# Opens every file of the set by its path, over and over: none is ever missing. If `active` was not
# switched meanwhile, all are of one version, and a listing has them all.
READER = """
import os, sys
root, files, tops = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
active = f"{root}/active"
names = [f"{top}/f{n}" for n in range(files) for top in tops]
whole = rounds = 0
def switched():
    status = os.lstat(active)
    return status.st_ino, status.st_ctime_ns
while not os.path.exists(f"{root}/stop"):
    before = switched()
    found = set()
    for name in names:
        with open(f"{active}/{name}") as file:
            found.add(file.read())
    listed = len([n for n in os.listdir(f"{active}/bin") if n.startswith("f")])
    rounds += 1
    assert all(each.startswith("version ") for each in found), found
    if switched() == before:
        whole += 1
        assert len(found) == 1 and listed == files, (found, listed)
print(rounds, whole)
"""


def make_archives(place: Path) -> None:
    place.mkdir()
    for package_id in WIDE:
        files = {f"{top}/f{n}": f"version {package_id}" for top in TOPS for n in range(FILES)}
        (place / f"{package_id}.tar").write_bytes(archive({**files, f"lib/only{package_id}": ""}))
    for package_id in SMALL:
        files = {"bin/b": package_id, f"lib/b{package_id}": package_id}
        (place / f"{package_id}.tar").write_bytes(archive({**files}))


def start(*words: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )


def end(process: subprocess.Popen[str]) -> str:
    said, complaint = process.communicate(timeout=120)
    assert process.returncode == 0, complaint
    return said


def test_storm(tmp_path: Path) -> None:
    print(f"PACKAGER_STORM_SEED={SEED}")
    root, archives = tmp_path / "store", tmp_path / "archives"
    make_archives(archives)
    for package_id in (*WIDE, *SMALL):
        ok(root, "add", str(archives / f"{package_id}.tar"))
    ok(root, "activate", "w--1", "b--1")
    readers = [start("-c", READER, root, str(FILES), *TOPS) for _ in range(READERS)]
    try:
        module = "tests.packager.activation.storm_commands"
        streams = [
            start("-m", module, root, archives, f"{SEED}-{n}", SECONDS) for n in range(STREAMS)
        ]
        ended = [json.loads(line) for stream in streams for line in end(stream).splitlines()]
    finally:
        (root / "stop").touch()
        counts = [[int(each) for each in end(reader).split()] for reader in readers]
    assert all(rounds >= whole > 0 for rounds, whole in counts)
    (root / "stop").unlink()
    for words, code, said in ended:
        assert code in {*EXPECTED, -signal.SIGKILL}, (words, said)
        assert "Traceback" not in said, (words, said)
    codes = Counter(code for _, code, _ in ended)
    print(f"{len(ended)} commands, by exit code: {dict(codes)}; rounds of readers: {counts}")
    assert codes[-signal.SIGKILL] > 0
    assert codes[0] > 0

    deadline = time.monotonic() + 30
    while left := working_on(root):  # no part of a killed command goes on without it
        assert time.monotonic() < deadline, left
        time.sleep(0.01)
    ok(root, "recover")
    assert json.loads(ok(root, "recover", "--format=json")) == {"changed": False, "found": []}
    ok(root, "verify")
    tidy(root)
    check(root)
    # Whatever was lost on the way can be added and activated again.
    for package_id in (*WIDE, *SMALL):
        ok(root, "add", str(archives / f"{package_id}.tar"))
    ok(root, "activate", "w--3", "b--2")
    check(root)
