"""Killed at every system call that changes the host: users, state directories, units, settings.

The real useradd and userdel work on a copy of /etc that only the killed command sees; systemctl and
sysctl are recorded. After each kill one next command finishes the work: in turns the same again,
the set before, which takes back what was made for a set that never became active, or another set.
Each leaves the host as if there had been no kill, and the recovery is killed at its calls too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest
from packager.generations.document import active_generation

from tests.packager.activation.test_kills import age
from tests.support import fork_server
from tests.support.host_packages import add
from tests.support.kill_points import CALLS, Point, points, tell, why_no_strace

ALL_CALLS = (*CALLS, "chown", "fchown", "fchownat", "lchown")
SERVICE = "[Service]\nExecStart=/bin/true\n"
USERS = {"state_directory": True, "username": "dcos_web"}
ETC = ("passwd", "group", "shadow", "gshadow", "login.defs", "nsswitch.conf", "ld.so.cache")
# systemd's part: a unit that is started runs with the file and the package that are there now; to
# start one that runs already changes nothing.
TOOL = """#!/bin/sh
world=${0%/*}/..
verb=$1
[ "${0##*/}" = systemctl ] && shift || exit 0
for unit; do
    case $unit in -* | *\\**) continue ;; esac  # an option; the instances of a template: none runs
    now="$(cat "$world/system/$unit" 2>/dev/null) of $(readlink "$world/root/active/svc")"
    case $verb in
        start) [ -e "$world/running/$unit" ] || echo "$now" > "$world/running/$unit" ;;
        restart) echo "$now" > "$world/running/$unit" ;;
        stop) rm -f "$world/running/$unit" ;;
        enable) touch "$world/running/$unit enabled" ;;
    esac
done
"""
TARGET = re.compile(r"(system|running)/dcos\.target")  # is there for ever, once a unit was
TOUCHES = re.compile(r"/(?:system|lib)\b|host\.json")


@cache
def why_no_users() -> str:
    """The reason why users can't be made in a copy of /etc; empty if they can."""
    if os.geteuid() != 0:
        return "only root can make users"
    if not (shutil.which("useradd") and shutil.which("unshare")):
        return "useradd or unshare is not installed"
    tried = subprocess.run(
        ["unshare", "--mount", "mount", "--bind", "/tmp", "/mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if tried.returncode == 0 else f"nothing can be mounted here: {tried.stderr.strip()}"


class World:
    """A store and a host, in one directory that can be copied: what is told of it is read there."""

    def __init__(self, top: Path) -> None:
        self.top = top

    def begin(self) -> None:
        """A set without any wishes is active, packages with all kinds of them are there."""
        for name in ("etc", "config", "system", "tools", "running", "lib/dcos"):
            (self.top / name).mkdir(parents=True)
        for name in ETC:
            if os.access(f"/etc/{name}", os.R_OK):
                shutil.copy2(f"/etc/{name}", self.top / "etc")
        for name in ("systemctl", "sysctl", "journalctl"):
            (self.top / "tools" / name).write_text(TOOL)
            (self.top / "tools" / name).chmod(0o755)
        root = self.top / "root"
        add(root, "base--1", {"bin/base": "base"})
        add(root, "state--1", {"bin/state": "1"}, {"state_directory": True})
        add(root, "other--1", {"bin/other": "1"}, {"state_directory": True})
        add(root, "web--1", {"bin/web": "1"}, USERS)
        add(root, "bad--1", {"bin/bad": "1"}, {**USERS, "username": "dcos_z_bad"})
        for number in (1, 2):
            units = {
                "units/svc.service": f"# {number}\n{SERVICE}",
                "units/same.service": SERVICE,
                f"units/v{number}.path": "[Path]\n",
                "units/at@.service": f"# {number}\n{SERVICE}",
            }
            settings = {"sysctl": {"svc": {"vm.max_map_count": 262144 + number}}}
            add(root, f"svc--{number}", units, settings)
        begun = self.run("activate", "base--1")
        assert begun.returncode == 0, begun.stderr

    def run(self, *words: str, tracer: Sequence[str] = ()) -> subprocess.CompletedProcess[bytes]:
        """Run packager, on a host of its own if that can be."""
        options = [
            "--settle=0.001",
            f"--units-dir={self.top}/system",
            f"--state-dir={self.top}/lib/dcos",
            f"--config-dir={self.top}/config",
        ]
        return fork_server.run(
            ["packager", "--root", self.top / "root", words[0], *options, *words[1:]],
            {**os.environ, "PATH": f"{self.top}/tools:{os.environ['PATH']}"},
            tracer=tracer,
            mounts={} if why_no_users() else {"/etc": self.top / "etc"},
        )

    def seen(self) -> dict[str, object]:
        """All that there is of the host: users, directories, units, and what is remembered."""
        found: dict[str, object] = {}
        for part in ("system", "lib"):
            for path in sorted((self.top / part).rglob("*")):
                name = str(path.relative_to(self.top))
                status = path.lstat()
                found[name] = (oct(status.st_mode), status.st_uid)
                if path.is_symlink():
                    found[name] = str(path.readlink())
                elif path.is_file():
                    found[name] = path.read_text()
        for name in ("passwd", "group"):
            if (self.top / "etc" / name).exists():
                lines = (self.top / "etc" / name).read_text().splitlines()
                found[name] = [line for line in lines if line.startswith("dcos_")]
        for path in (self.top / "running").iterdir():
            found[f"running/{path.name}"] = path.read_text()
        state = self.top / "root/host.json"
        told = json.loads(state.read_text()) if state.exists() else {}
        found["remembered"] = told.get("units", {}).get(f"{self.top}/system", {})
        found["pending"] = told.get("pending")
        if not found["remembered"]:
            found = {name: each for name, each in found.items() if not TARGET.match(name)}
        leftovers = [*self.top.glob("root/.*"), *self.top.glob("system/**/.*")]
        found["left over"] = sorted(str(each.relative_to(self.top)) for each in leftovers)
        return found

    def active(self) -> list[str]:
        generation = active_generation(str(self.top / "root"))
        return [] if generation is None else list(generation.packages)


def nothing(_: World) -> None:
    """The set `base--1` is active."""


def with_units(world: World) -> None:
    assert world.run("activate", "base--1", "svc--1").returncode == 0


def failing(world: World) -> None:
    """useradd works for all but one user."""
    real = shutil.which("useradd")
    tool = world.top / "tools/useradd"
    tool.write_text(f'#!/bin/sh\ncase "$*" in *dcos_z_bad*) exit 9;; esac\nexec {real} "$@"\n')
    tool.chmod(0o755)


def killed(world: World) -> None:
    """An activation was killed when all was made for its set, before the switch."""
    filters = ("-e", "trace=symlinkat", "-e", "inject=symlinkat:signal=KILL:when=1")  # of its tree
    words = ["activate", "base--1", "state--1", *(["web--1"] if not why_no_users() else [])]
    result = world.run(*words, tracer=("strace", "-o", "/dev/null", *filters))
    assert result.returncode == -signal.SIGKILL, result.stderr
    assert world.active() == ["base--1"]
    assert (world.top / "lib/dcos/state").is_dir()


SVC_2 = ["activate", "base--1", "svc--2"]

# what is done before, the command, another one that may follow, and whether it needs users
SCENES: dict[str, tuple[Callable[[World], None], list[str], list[str], bool]] = {
    "state directories": (nothing, ["activate", "base--1", "state--1", "other--1"], [], False),
    "users": (nothing, ["activate", "base--1", "state--1", "web--1"], [], True),
    "a user that can't be made": (failing, ["activate", "base--1", "bad--1", "web--1"], [], True),
    "units placed": (nothing, ["activate", "base--1", "svc--1"], SVC_2, False),
    "units changed": (with_units, SVC_2, [], False),
    "units removed": (with_units, ["activate", "base--1"], SVC_2, False),
    "taking back": (killed, ["activate", "base--1"], [], False),
    "going on": (killed, ["activate", "base--1", "state--1"], [], False),
}


@pytest.mark.parametrize("name", SCENES)
def test_killed_at_every_call(
    name: str, memory: Path, record_property: Callable[[str, object], None]
) -> None:
    prepare, words, other, users = SCENES[name]
    if why_no_strace():
        pytest.skip(why_no_strace())
    if users and why_no_users():
        pytest.skip(why_no_users())
    model, world = World(memory / "model"), World(memory / "world")
    world.begin()
    prepare(world)
    age(world.top / "root")  # or it would depend on the time which tree is changed
    world.top.rename(model.top)  # paths in it stay true: the copies are where it was
    before = ["activate", *World(model.top).active()]

    def fresh() -> None:
        shutil.rmtree(world.top, ignore_errors=True)
        subprocess.run(["cp", "-a", model.top, world.top], check=True)

    def traced(*options: str, calls: str) -> subprocess.CompletedProcess[bytes]:
        log = str(memory / "log")
        tracer = ("strace", "-y", "-s", "200", "-o", log, "-e", f"trace={calls}", *options)
        return world.run(*words, tracer=tracer)

    def after(*commands: list[str]) -> dict[str, object]:
        """The host after these commands, none of which is killed."""
        fresh()
        for each in commands:
            world.run(*each)
        found = world.seen()
        assert (found["left over"], found["pending"]) == ([], None)
        return found

    fresh()
    clean = traced(calls=",".join(f"?{call}" for call in ALL_CALLS))
    log = (memory / "log").read_text()  # of the command alone, not of what it calls
    numbered = re.sub(r"^", "1 ", log, flags=re.MULTILINE)
    tried = [point for point in points(numbered) if TOUCHES.search(point.arguments)]
    sets = (before[1:], world.active())
    # Another set, after a kill: nothing of the command had been done, or all of it.
    others = [each for each in (before, other) if each]
    follow = [(words, [after(words)]), *((o, [after(o), after(words, o)]) for o in others)]
    lost = []
    for number, point in enumerate(tried):
        following, expected = follow[number % len(follow)]
        fresh()
        rule = f"inject={point.call}:signal=KILL:when={point.index}"
        result = traced("-e", rule, calls=point.call)
        problems = [] if result.returncode == -signal.SIGKILL else ["it was not killed"]
        if world.active() not in sets:
            problems.append(f"{world.active()} are active")
        result = world.run(*following)
        if result.returncode != (clean.returncode if following is words else 0):
            problems.append(result.stderr.decode())
        found = world.seen()
        if found not in expected:
            problems += differences(found, expected[0])
        lost += [f"{shown(point)}: {following}: {each}" for each in problems]
    tell("kill points", name, len(tried), lost, record_property)


def differences(now: dict[str, object], then: dict[str, object]) -> list[str]:
    return [
        f"{name} is {now.get(name)}, not {then.get(name)}"
        for name in sorted({*now, *then})
        if now.get(name) != then.get(name)
    ]


def shown(point: Point) -> str:
    return re.sub(r"<[^>]*/", "<", str(point))
