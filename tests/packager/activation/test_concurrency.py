"""Many at once: readers who look all the time, commands that want the store at the same moment."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from agentsim.suite.hosts.processes import wait_until
from packager.generations.document import active_number

from tests.support.package_sets import PACKAGER, add, check, look, ok, tidy
from tests.support.packager_command import waits_for

FILES = 40
SWAPS = 12

# Reads every file of the set, over and over: by path through `active`, and through a descriptor of
# the tree that `active` leads to. Every content is of one of the versions, and no path is missing;
# through one descriptor all are of the same version.
READER = """
import os, sys
root, files = sys.argv[1], int(sys.argv[2])
names = [f"{top}/f{n}" for n in range(files) for top in ("bin", "etc/deep/er")]
rounds = switches = 0
before = None
while not os.path.exists(f"{root}/stop"):
    for name in names:
        with open(f"{root}/active/{name}") as file:
            assert file.read().startswith("version "), name
    assert len(os.listdir(f"{root}/active/bin")) == files
    tree = os.open(f"{root}/active", os.O_RDONLY | os.O_DIRECTORY)
    found = set()
    for name in names:
        fd = os.open(name, os.O_RDONLY, dir_fd=tree)
        found.add(os.read(fd, 100))
        os.close(fd)
    os.close(tree)
    assert len(found) == 1, found
    rounds += 1
    switches += found != before
    before = found
print(rounds, switches)
"""


def wide(number: int) -> dict[str, str]:
    tops = ("bin", "etc/deep/er")
    return {f"{top}/f{n}": f"version {number}" for n in range(FILES) for top in tops}


def test_readers_never_see_a_missing_or_mixed_set(tmp_path: Path) -> None:
    root = tmp_path / "store"
    for number in (1, 2):
        add(root, f"a--{number}", {**wide(number), f"lib/only{number}": ""})
    add(root, "b--1", {"bin_other/b": ""})
    ok(root, "activate", "a--1", "b--1")
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, root, str(FILES)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    try:
        for number in range(SWAPS):
            ok(root, "swap", f"a--{2 - number % 2}")
            if number % 4 == 3:
                ok(root, "rollback")
                ok(root, "gc", "--keep=2")
    finally:
        (root / "stop").touch()
        told = [reader.communicate(timeout=60) for reader in readers]
    for reader, (counts, complaint) in zip(readers, told, strict=True):
        assert reader.returncode == 0, complaint
        rounds, switches = map(int, counts.split())
        assert rounds >= switches > 1
    (root / "stop").unlink()
    check(root)


def start(root: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [PACKAGER, "--root", root, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_activations_at_once_come_one_after_the_other(tmp_path: Path) -> None:
    root = tmp_path / "store"
    for number in range(8):
        add(root, f"a--{number}", {**wide(number), f"lib/only{number}": ""})
    running = [start(root, "activate", f"a--{number}") for number in range(8)]
    for command in running:
        _, complaint = command.communicate(timeout=60)
        assert command.returncode == 0, complaint
    assert active_number(str(root)) == 8
    assert len({content for path, content in look(root).items() if path[:4] != "lib/"}) == 1
    check(root)
    tidy(root)


@pytest.mark.parametrize("rounds", [4])
def test_removes_collections_and_activations_at_once(tmp_path: Path, rounds: int) -> None:
    """Each does what it says or is refused with a reason; what is active is never removed."""
    root = tmp_path / "store"
    for _ in range(rounds):
        for number in range(3):
            add(root, f"a--{number}", {f"bin/a{number}": "", "bin/a": f"{number}"})
        running = [
            *(start(root, "activate", f"a--{number}") for number in range(3)),
            *(start(root, "remove", f"a--{number}") for number in range(3)),
            start(root, "gc", "--keep=1"),
        ]
        for command in running:
            _, complaint = command.communicate(timeout=60)
            assert command.returncode in (0, 66, 73), complaint
            assert "Traceback" not in complaint
        check(root)
        tidy(root)


def test_a_held_lock_ends_in_75(tmp_path: Path) -> None:
    import fcntl

    from packager.activation.activate import activate
    from packager.activation.planning import Request
    from packager.base.errors import Temporary
    from packager.store.lock import ACTIVATION

    root = tmp_path / "store"
    add(root, "a--1", {"bin/a": ""})
    held = os.open(root / ACTIVATION, os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(Temporary, match=ACTIVATION) as caught:
        activate(str(root), Request("activate", ["a--1"]), lambda *_, **__: None, lock_wait=0.05)
    assert caught.value.exit_code == 75
    # Once it is free, the one that waits goes on.
    waiting = threading.Thread(
        target=activate,
        args=(str(root), Request("activate", ["a--1"]), lambda *_, **__: None),
    )
    waiting.start()
    os.close(held)
    waiting.join(timeout=30)
    assert set(look(root)) == {"bin/a"}


def test_what_another_left_while_this_one_waited_is_not_taken_for_its_own(tmp_path: Path) -> None:
    import fcntl

    from packager.store import lock

    root = tmp_path / "store"
    for each in ("a--1", "b--1", "c--1"):
        add(root, each, {f"bin/{each[0]}": each})
    ok(root, "activate", "c--1")
    ok(root, "activate", "b--1")
    tree = tmp_path / "3"
    (root / "generations/2").rename(tree)  # what a killed `activate b--1` had ready as generation 3
    (root / "active").unlink()
    (root / "active").symlink_to("generations/1")
    (root / "history/2.json").rename(tmp_path / "2.json")
    held = os.open(root / lock.ACTIVATION, os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    waiting = subprocess.Popen([PACKAGER, "--root", str(root), "activate", "a--1"])
    wait_until(lambda: waits_for(root / lock.ACTIVATION, waiting.pid), 30)
    tree.rename(root / "generations/2")
    os.close(held)
    assert waiting.wait(timeout=30) == 0
    assert set(look(root)) == {"bin/a"}
    check(root)


def test_gc_waits_for_an_activation_that_may_go_back(tmp_path: Path) -> None:
    import fcntl

    from packager.store import lock

    root = tmp_path / "store"
    for each in ("a--1", "a--2"):
        add(root, each, {"bin/a": each})
        ok(root, "activate", each)
    held = os.open(root / lock.ACTIVATION, os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    waiting = subprocess.Popen([PACKAGER, "--root", str(root), "gc", "--keep=1"])
    wait_until(lambda: waits_for(root / lock.ACTIVATION, waiting.pid), 30)
    assert (root / "packages/a--1").is_dir()
    os.close(held)
    assert waiting.wait(timeout=30) == 0
    assert not (root / "packages/a--1").exists()
