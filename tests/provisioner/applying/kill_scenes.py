"""Stores before an apply that is to be killed, and what must be true of them whatever happened."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from packager.base.errors import PackagerError
from packager.generations.document import active_generation
from packager.store.store import Store
from provisioner.runs import reader

from tests.support.kill_points import Point, counting, doing, points
from tests.support.package_sets import check, look, tidy
from tests.support.profile_host import Host, profile
from tests.support.web_server import Request, Web, serve

HOST = ("--no-systemd", "--no-users")
NOBODY: dict[str, object] = {"http": [{"url": "http://127.0.0.1:1/"}]}  # nothing listens there


def web(number: int, **more: Any) -> dict[str, Any]:
    """A profile with version `number` of a package and of its configuration."""
    files = [
        {"path": "etc/web.conf", "content": f"{number}\n"},
        {"path": f"etc/only{number}", "content": "private\n", "mode": "0600"},
    ]
    return profile(packages=[f"web--{number}"], configuration={"files": files}, **more)


def empty(host: Host) -> None:
    """Packages, and no profile was ever applied."""
    for number in (1, 2, 3):
        host.add(f"web--{number}", {"bin/web": f"{number}\n", f"lib/{number}/x": f"{number}\n"})


def one(host: Host) -> None:
    """A profile is applied."""
    empty(host)
    host.applied(web(1), *HOST)


def never_answer(_connection: socket.socket, _request: Request, web: Web) -> None:
    """An answer of a server that keeps the connection open and sends nothing."""
    web.closing.wait(30)


def interrupted(host: Host) -> None:
    """The apply of another profile was killed behind the switch, in its gate."""
    one(host)
    with serve(never_answer) as site:
        words = ["apply", *HOST, "-"]
        document = web(3, health={"http": [{"url": site.url("/")}]})
        with subprocess.Popen(
            [sys.executable, "-m", "provisioner", *words],
            stdin=subprocess.PIPE,
            env=host.environment,
        ) as running:
            assert running.stdin is not None
            running.stdin.write(json.dumps(document).encode())
            running.stdin.close()
            while not site.requests:
                assert running.poll() is None
                os.sched_yield()
            running.kill()
    assert look(host.root) == shown(3)
    assert (host.root / "provisioner/pending").is_symlink()


def shown(number: int) -> dict[str, str]:
    """What readers see when `web(number)` is applied; 0: nothing."""
    if not number:
        return {}
    return {
        "bin/web": f"{number}\n",
        f"lib/{number}/x": f"{number}\n",
        "etc/web.conf": f"{number}\n",
        f"etc/only{number}": "private\n",
    }


# What there is before; the profile that is applied; what readers may see until it has ended, and
# then; the exit status.
SCENES: dict[str, tuple[Callable[[Host], None], dict[str, Any], tuple[int, ...], int, int]] = {
    "the first apply": (empty, web(2), (0, 2), 2, 0),
    "packages and configuration change": (one, web(2), (1, 2), 2, 0),
    "the gate fails and it goes back": (one, web(2, health=NOBODY), (1, 2), 1, 65),
    "the apply after an interrupted one": (interrupted, web(3), (3,), 3, 0),
    "a failure after an interrupted one": (interrupted, web(2, health=NOBODY), (3, 2, 1), 1, 65),
}


class Scene:
    """A host before an apply, and what readers see before and after it."""

    def __init__(self, top: Path, name: str) -> None:
        prepare, document, between, after, self.code = SCENES[name]
        self.between = [shown(each) for each in between]
        self.after = shown(after)
        self.modes_hold = True  # false where the disk's content is only a model of one
        self._top = top
        self.host = Host(top)
        self._profile = top / "profile.json"
        self._profile.write_text(json.dumps(document))
        self._first = top / "first.json"
        self._first.write_text(json.dumps(web(1)))
        prepare(self.host)
        self._model = top / "model"
        self.host.root.rename(self._model)
        self.root = self.host.root
        self.fresh()
        log = top / "log"
        done = self.traced(counting(log))
        assert done.returncode == self.code, done.stderr
        seen = look(self.root)
        assert seen == self.after, f"{seen} and not {self.after}"
        self.points = [each for each in points(log.read_text()) if each.changes_something]

    def fresh(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        # Hard links stay hard links.
        subprocess.run(["cp", "-a", self._model, self.root], check=True)

    def apply(self, path: Path, tracer: Sequence[str] = ()) -> subprocess.CompletedProcess[bytes]:
        return self.host.run("apply", *HOST, path, tracer=tracer)

    def traced(self, tracer: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        """Apply the profile."""
        return self.apply(self._profile, tracer)

    def send(self, point: Point, number: signal.Signals) -> int:
        """Send the apply a signal at this call; how it ended."""
        return self.traced(doing(f"signal={number.name}", point, self._top / "killed")).returncode

    def wrong(self, number: int) -> Iterator[str]:
        """What is wrong after a kill, or a power loss, in words; the next apply is of the same
        profile, or (every third) of the first one."""
        yield from self.unreadable()
        first = number % 3 == 0
        done = self.apply(self._first if first else self._profile)
        if done.returncode != (0 if first else self.code):
            yield f"the next apply ended with {done.returncode}: {done.stderr.decode()}"
            return
        try:
            self.settled(first, done.stdout.decode(), again=number % 4 == 0)
        except AssertionError as error:
            yield f"the next apply left: {error}"

    def unreadable(self) -> Iterator[str]:
        """What is wrong for readers, at any moment."""
        if look(self.root) not in self.between:
            yield "neither the old nor the new set"
        try:
            applied, pending = (
                reader.applied_run(str(self.root)),
                reader.pending_run(str(self.root)),
            )
            active = active_generation(str(self.root))
        except PackagerError as error:
            yield str(error)
            return
        held = applied.packages if applied is not None else ()
        if pending is None and tuple(active.packages if active is not None else ()) != held:
            yield "a set is active that has not been through the gate, and nothing says so"

    def settled(self, first: bool, said: str, *, again: bool) -> None:
        """The host is as the last apply, of the first profile or of this one, should leave it; and
        (again) it finds so itself."""
        assert look(self.root) == (shown(1) if first else self.after), "another set"
        check(self.root, content=self.modes_hold)
        if "nothing was changed" in said:  # then it has not cleaned up in the store either
            Store(str(self.root)).recover()
        tidy(self.root)
        top = self.root / "provisioner"
        left = {each.name for each in top.iterdir()} - {"applied", "key", "lock", "runs"}
        assert not left, f"{left} in provisioner"
        assert all(each.name.isdigit() for each in (top / "runs").iterdir())
        if again and (first or not self.code):
            done = self.apply(self._first if first else self._profile)
            assert b"nothing was changed" in done.stdout, done.stderr
