"""Commands one after the other, some killed: several of these at once on one store make a storm.

    python -m tests.packager.activation.storm_commands ROOT ARCHIVES SEED SECONDS

Every command is a process of its own, forked from this one, which has loaded all that it needs: so
it spends its time in the store, and not in starting. Tells one line of JSON for each that ended:
its words, its exit code (a negative signal if it was killed), what it said.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import random
import select
import signal
import sys
import tempfile
import time
from contextlib import suppress

import packager
from packager.main import main

WIDE = ("w--1", "w--2", "w--3")  # one of them is in every set that is asked for
SMALL = ("b--1", "b--2")


def draw(chance: random.Random, archives: str) -> list[str]:
    """A command."""
    wide, small = chance.choice(WIDE), chance.choice(SMALL)
    either = chance.choice([wide, small])
    add = ["add", f"{archives}/{either}.tar"]
    commands = [
        ["activate", wide],
        ["activate", wide, small],
        ["activate", "--add", small],
        ["swap", wide],
        ["swap", small],
        ["deactivate", "b"],
        ["rollback"],
        ["remove", either],
        ["gc", f"--keep={chance.randint(1, 3)}"],
        ["verify"],
    ]
    return chance.choice([*commands, add, add])


def start(root: str, words: list[str], said: int) -> int:
    """The process id of `packager WORDS`, whose output goes to the file at the descriptor."""
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        os.dup2(said, 1)
        os.dup2(said, 2)
        sys.argv = ["packager", "--root", root, *words, "--format=json"]
        sys.exit(main())
    except SystemExit as left:
        os._exit(left.code if isinstance(left.code, int) else 1 if left.code else 0)
    except BaseException:  # as the interpreter would
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        os._exit(1)


def wait(child: int, until: float | None) -> int:
    """Wait for the child; kill it when the time comes. Its exit code, or minus the signal."""
    fd = os.pidfd_open(child)
    try:
        if until is not None:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    finally:
        os.close(fd)
    return os.waitstatus_to_exitcode(status)


def storm(root: str, archives: str, chance: random.Random, end: float) -> None:
    usual = 0.05  # seconds that a command takes here
    while time.monotonic() < end:
        words = draw(chance, archives)
        kill = chance.random() * 1.5 if chance.random() < 0.5 else None
        with tempfile.TemporaryFile() as said:
            began = time.monotonic()
            child = start(root, words, said.fileno())
            code = wait(child, None if kill is None else began + kill * usual)
            if code == 0:
                usual = 0.9 * usual + 0.1 * (time.monotonic() - began)
            said.seek(0)
            print(json.dumps([words, code, said.read().decode()]), flush=True)


if __name__ == "__main__":
    for module in pkgutil.walk_packages(packager.__path__, "packager."):
        if module.name != "packager.__main__":
            with suppress(ImportError):  # it needs what is not installed
                importlib.import_module(module.name)
    storm(
        sys.argv[1],
        sys.argv[2],
        random.Random(sys.argv[3]),
        time.monotonic() + float(sys.argv[4]),
    )
