"""What an activation that failed leaves for the next boot: nothing. Whatever it failed of, what
systemd will read, what the active set is and what the packages' programs see are as they were; and
neither the recovery nor the next command goes on with it.

(pkgpanda had the new set written down before the old one was gone, and its boot went on with it.)
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.packager.activation.test_kills import age
from tests.packager.host.test_kills import SERVICE, USERS, World, why_no_users
from tests.support import fork_server
from tests.support.host_packages import add
from tests.support.kill_points import counting, doing, points, why_no_strace

OLD = ["activate", "base--1", "svc--1"]
NEW = ["activate", "base--1", "state--1", "svc--2"]
LATER = (["recover"], ["gc", "--keep=9"], ["remove", "clash--1"])
# The second version's service does not start.
FAILING = """
grep -q "^# 2" "${0%/*}/../system/svc.service" || exit 0
case $1 in
    show) printf "Id=svc.service\\nLoadState=loaded\\nActiveState=failed\\nResult=exit-code\\n" ;;
    restart) exit 1 ;;
esac
"""


class Machine:
    """A host on which OLD is active, in a place that is made anew for every try."""

    def __init__(self, top: Path) -> None:
        self.world = World(top / "world")
        self.world.begin()
        assert self.world.run(*OLD).returncode == 0
        add(self.world.top / "root", "clash--1", {"bin/base": "another"})
        age(self.world.top / "root")  # or it would depend on the time which tree is changed
        self._model = top / "model"
        self.world.top.rename(self._model)
        self.fresh()
        self.before = self.boot()

    def fresh(self) -> None:
        shutil.rmtree(self.world.top, ignore_errors=True)
        subprocess.run(["cp", "-a", self._model, self.world.top], check=True)

    def boot(self) -> dict[str, str]:
        """All that a boot goes by: the active set with every path in it, and the unit files."""
        top = self.world.top
        found = {"active": str((top / "root/active").readlink())}
        for place in (top / "root/active", top / "system"):
            for path in sorted(place.rglob("*")):
                if path.is_symlink() or path.is_file():
                    content = path.read_text() if path.is_file() else ""
                    link = f"{path.readlink()} " if path.is_symlink() else ""
                    found[str(path.relative_to(top))] = f"{link}{content}"
        return found

    def is_as_before(self, number: int = 0) -> None:
        """Now, and after a command that a boot, or somebody, runs next."""
        assert self.boot() == self.before
        later: list[str | Path] = [
            "packager",
            "--root",
            self.world.top / "root",
            *LATER[number % len(LATER)],
        ]
        done = fork_server.run(later, os.environ)
        assert done.returncode == 0, done.stderr
        assert self.boot() == self.before


@pytest.fixture
def machine(memory: Path) -> Machine:
    return Machine(memory)


def tool(machine: Machine, name: str, script: str) -> None:
    place = machine.world.top / "tools" / name
    place.write_text(f"#!/bin/sh\n{script}\n")
    place.chmod(0o755)


def test_a_set_that_is_refused(machine: Machine) -> None:
    assert machine.world.run("activate", "base--1", "svc--2", "clash--1").returncode == 73
    machine.is_as_before()


def test_a_host_that_can_not_be_prepared(machine: Machine) -> None:
    """A state directory can't be made, after others were."""
    (machine.world.top / "lib/dcos/state").write_text("in the way")
    assert machine.world.run(*NEW, "other--1").returncode == 74
    machine.is_as_before()


@pytest.mark.skipif(bool(why_no_users()), reason=why_no_users())
def test_a_user_that_can_not_be_made(machine: Machine) -> None:
    tool(machine, "useradd", "exit 9")
    assert machine.world.run(*NEW, "web--1").returncode == 74
    assert str(USERS["username"]) not in (machine.world.top / "etc/passwd").read_text()
    machine.is_as_before()


def test_a_unit_that_does_not_start(machine: Machine) -> None:
    """With --rollback-on-failure: the new unit files were in place, and are not any more."""
    tool(machine, "systemctl", FAILING)
    done = machine.world.run(NEW[0], "--rollback-on-failure", *NEW[1:])
    assert done.returncode == 74, done.stderr
    assert b"going back to generation" in done.stderr
    assert b"svc.service: failed" in done.stderr
    machine.is_as_before()
    assert (machine.world.top / "system/svc.service").read_text() == f"# 1\n{SERVICE}"


@pytest.mark.parametrize("what", ["signal=KILL", "signal=TERM", "error=EIO"])
def test_an_activation_that_is_cut_off(machine: Machine, memory: Path, what: str) -> None:
    """At every call that changes the disk, up to the one that makes the set the active one."""
    if why_no_strace():
        pytest.skip(why_no_strace())
    log = memory / "log"
    assert machine.world.run(*NEW, tracer=counting(log)).returncode == 0
    failed = 0
    for point in points(log.read_text()):
        if not point.changes_something:
            continue
        machine.fresh()
        done = machine.world.run(*NEW, tracer=doing(what, point, memory / "cut"))
        if machine.world.active() == NEW[1:]:
            break
        failed += 1
        allowed = {-signal.SIGKILL, -signal.SIGTERM, 74}
        assert done.returncode in allowed, f"{point}: {done.stderr.decode()}"
        machine.is_as_before(failed)
    print(f"{what}: {failed} tried, none lost")
    assert failed > 20
