"""Where the kernel has no pidfds (before Linux 5.3), or a filter or a limit refuses one."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from packager.base import process_exit, worker_processes
from packager.base.events import Emit, Field

from tests.support import old_kernel
from tests.support.host_packages import activate, add, await_end
from tests.support.packager_command import PACKAGER, environment, run_command
from tests.support.profile_host import Host as ProfileHost
from tests.support.profile_host import profile
from tests.support.provisioner_machine import PROVISIONER

OLD_KERNEL = [sys.executable, old_kernel.__file__]

pytestmark = pytest.mark.skipif(
    not old_kernel.supported(), reason="no filter of system calls is known here"
)


def test_checks(root: Path) -> None:
    add(
        root,
        "a--1",
        {
            "check/good": "#!/bin/sh\necho well\n",
            "check/bad": "#!/bin/sh\nexit 3\n",
            "check/closes": "#!/bin/sh\nexec >&- 2>&-\nsleep 0.1\nexit 4\n",
            "check/slow": "#!/bin/sh\nexec sleep 100\n",
        },
    )
    activate(root, "a--1")
    command = [*OLD_KERNEL, *PACKAGER, "check", "--format=json", "--timeout=2"]
    done = run_command(command, environment(root))
    assert done.returncode == 65, done.stderr
    found = {each["name"]: each for each in json.loads(done.stdout)["checks"]}
    assert found["good"]["ok"] and found["good"]["stdout"] == "well\n"
    assert [found[name]["exit_code"] for name in ("bad", "closes")] == [3, 4]
    assert found["slow"]["reason"] == "timeout"


def test_a_limit_on_descriptors_leaves_no_check_behind(root: Path) -> None:
    """Whatever the check gets that is the last to find a descriptor: it is judged, or ended."""
    pid = root.parent / "pid"
    add(root, "a--1", {"check/c": f"#!/bin/sh\necho $$ > {pid}\n"})
    activate(root, "a--1")
    codes = set()
    for limit in range(6, 16):
        pid.unlink(missing_ok=True)
        command = ["prlimit", f"--nofile={limit}", *PACKAGER, "check", "--format=json"]
        codes.add(run_command(command, environment(root)).returncode)
        if pid.exists() and pid.read_text():
            await_end(int(pid.read_text()))
    assert 0 in codes


def test_the_health_conditions_of_a_profile(tmp_path: Path) -> None:
    host = ProfileHost(tmp_path)
    host.add("a--1", {"check/good": "#!/bin/sh\nexit 0\n"})
    document = json.dumps(profile(packages=["a"])).encode()
    done = host.run("apply", "-", stdin=document, program=[*OLD_KERNEL, *PROVISIONER])
    assert done.returncode == 0, done.stderr.decode()
    assert host.active == ["a--1"]


@pytest.mark.parametrize("stubborn", [False, True])
def test_workers_that_are_told_to_stop(tmp_path: Path, stubborn: bool) -> None:
    """The first to speak has the parent give up; the others are ended, and waited for."""
    pids = tmp_path / "pids"

    def work(number: int, emit: Emit) -> dict[str, Field]:
        if stubborn:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with pids.open("a") as file:
            file.write(f"{os.getpid()}\n")
        while number == 0 or pids.read_text().count("\n") < 2:
            signal.pause() if number == 0 else os.sched_yield()
        emit("here")
        signal.pause()
        return {}

    class GaveUp(Exception):
        pass

    def give_up(_: str, document: dict[str, Field]) -> None:
        raise GaveUp(document["event"])

    child = os.fork()
    if child == 0:
        try:
            old_kernel.forget_pidfds()
            worker_processes.STOP_TIMEOUT_SECONDS = 0.1 if stubborn else 60.0
            worker_processes.run(["a", "b"], work, at_once=2, emit=give_up)
        except GaveUp as error:
            os._exit(0 if str(error) == "here" else 2)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for pid in pids.read_text().split():
        assert not Path(f"/proc/{pid}").exists()


def test_an_exit_is_seen_and_left_to_be_waited_for() -> None:
    child = os.fork()
    if child == 0:
        old_kernel.forget_pidfds()
        grandchild = os.fork()
        if grandchild == 0:
            os._exit(7)
        seen = process_exit.exits_within(grandchild, 20) and process_exit.has_exited(grandchild)
        code = os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1])
        os._exit(0 if seen and code == 7 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
