"""Told to stop while programs of the host, or processes of its own, are at work: none of them is
left behind, and none that changes the host is ended half way."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support import fork_server
from tests.support.host_packages import add, await_end, host_options
from tests.support.kill_points import why_no_strace
from tests.support.packager_command import environment, packager, staged
from tests.support.recording_host import Tools

UNIT = "[Service]\nExecStart=/bin/true\n"
STARTS = (
    "fork",
    "vfork",
    "clone",
    "clone3",
)  # how a process is started, depending on the C library
# Tells its process's number, and is at work for long.
ENDLESS = '#!/bin/sh\necho $$ > "$0.pid"\nexec sleep 100\n'
# Has whoever has started it told to stop, and goes on.
SLOW = '#!/bin/sh\nkill "$PPID"\nsleep 0.3\ntouch "$0.done"\n'


def replace(tools: Tools, name: str, script: str) -> Path:
    place = tools.directory / name
    place.unlink()
    place.write_text(script)
    place.chmod(0o755)
    return place


def stopped(root: Path, tools: Tools, *words: str, tracer: list[str] | None = None) -> None:
    """Activate; it is told to stop on its way, and dies of that."""
    command = ["packager", words[0], *host_options(root), *words[1:]]
    done = fork_server.run(command, environment(root, PATH=tools.path()), tracer=tracer or ())
    assert done.returncode == -signal.SIGTERM, done.stderr.decode()


def ended(place: Path) -> None:
    """The program at `place`, if it came to run at all, is not at work any more."""
    told = place.with_name(f"{place.name}.pid")
    deadline = time.monotonic() + 0.3
    while not told.exists() and time.monotonic() < deadline:
        time.sleep(0.01)  # it may have been started a moment ago
    if told.exists() and told.read_text():
        await_end(int(told.read_text()))


def test_while_systemctl_waits_for_a_service(root: Path, tools: Tools) -> None:
    add(root, "a--1", {"units/a.service": UNIT})
    starting = ENDLESS.replace("\n", '\n[ "$1" = start ] || exit 0\nkill "$PPID"\n', 1)
    place = replace(tools, "systemctl", starting)
    stopped(root, tools, "activate", "a--1")
    ended(place)
    assert staged(root) == []


def test_just_when_it_starts_systemctl(root: Path, tools: Tools) -> None:
    """The process is there, and what has started it does not know its number yet."""
    if why_no_strace():
        pytest.skip(why_no_strace())
    add(root, "a--1", {"units/a.service": UNIT})
    log = root.parent / "log"
    tracer = ["strace", "-o", str(log), "-e", "trace=" + ",".join(f"?{each}" for each in STARTS)]
    command = ["packager", "activate", *host_options(root), "a--1"]
    done = fork_server.run(command, environment(root, PATH=tools.path()), tracer=tracer)
    assert done.returncode == 0
    call = next(each for each in STARTS if f"\n{each}(" in f"\n{log.read_text()}")
    packager(root, "deactivate", "--no-systemd", *host_options(root), "a")
    place = replace(tools, "systemctl", ENDLESS)
    tracer = ["strace", "-o", str(log), "-e", f"inject={call}:signal=TERM:when=1"]
    stopped(root, tools, "activate", "a--1", tracer=tracer)
    ended(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make users")
def test_a_user_is_made_whole(root: Path, tools: Tools) -> None:
    add(root, "a--1", {"bin/a": ""}, {"username": "dcos_unheard_of"})
    place = replace(tools, "useradd", SLOW)
    stopped(root, tools, "activate", "a--1")
    assert place.with_name("useradd.done").exists()
    assert not (root / "active").exists()


def test_settings_are_made_whole(root: Path, tools: Tools) -> None:
    settings = {"sysctl": {"a": {"vm.max_map_count": 262144}}}
    add(root, "a--1", {"units/a.service": UNIT}, settings)
    place = replace(tools, "sysctl", SLOW)
    stopped(root, tools, "activate", "a--1")
    assert place.with_name("sysctl.done").exists()
    assert (root / "active").exists()
    # The next activation does the rest.
    replace(tools, "sysctl", "#!/bin/sh\n")
    done = packager(root, "activate", *host_options(root), "a--1", PATH=tools.path())
    assert b"the host was brought to it" in done.stdout
