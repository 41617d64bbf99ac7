"""`packager check`: the packages' own programs, each on its own and none for ever."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.conftest import Simulator
from tests.support.host_packages import activate, add, await_end
from tests.support.kill_points import why_no_strace
from tests.support.packager_command import PACKAGER, environment, packager, staged, working_on

TABLE = Path(__file__).parents[3] / "module/routes/packager.json"
HELLO = "#!/bin/sh\necho Hello World\n"


def report(root: Path, *words: str) -> tuple[int, dict[str, dict[str, object]]]:
    """Exit code, and the results by the checks' names."""
    done = packager(root, "check", "--format=json", *words)
    checks = json.loads(done.stdout)["checks"]
    return done.returncode, {each["name"]: each for each in checks}


def test_as_pkgpanda_has_them(root: Path) -> None:
    """pkgpanda's own example packages, and what it documents to be listed and said."""
    add(root, "pkg1--12345", {"check/hello_world_ok.py": HELLO, "check/not_executable.py": ""})
    add(root, "pkg2--12345", {"check/failed_check.py": "#!/bin/sh\nexit 1\n", "check/s.sh": HELLO})
    add(root, "pkg_without_check--12345", {"bin/x": HELLO})
    activate(root, "pkg1--12345", "pkg2--12345", "pkg_without_check--12345")
    done = packager(root, "check", "--list")
    assert done.stdout.decode() == (
        "pkg1--12345\n - hello_world_ok.py\npkg2--12345\n - failed_check.py\n - s.sh\n"
    )
    assert b"pkg1--12345/check/not_executable.py is not an executable file" in done.stderr
    code, checks = report(root)
    assert code == 65
    assert {name: check["ok"] for name, check in checks.items()} == {
        "hello_world_ok.py": True, "failed_check.py": False, "s.sh": True,
    }  # fmt: skip


def test_outputs_are_kept_apart(root: Path) -> None:
    add(
        root,
        "a--1",
        {
            f"check/c{number}": f"#!/bin/sh\nfor i in 1 2 3; do echo out{number}; "
            f"echo err{number} >&2; done\n"
            for number in range(5)
        },
    )
    activate(root, "a--1")
    code, checks = report(root)
    assert code == 0
    for number in range(5):
        assert checks[f"c{number}"]["stdout"] == f"out{number}\n" * 3
        assert checks[f"c{number}"]["stderr"] == f"err{number}\n" * 3


def test_they_run_side_by_side(root: Path, tmp_path: Path) -> None:
    """Each waits until the other has begun: one after the other they would time out."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    add(root, "a--1", {"check/reads": f"#!/bin/sh\nread x < {fifo}\n"})
    add(root, "b--1", {"check/writes": f"#!/bin/sh\necho x > {fifo}\n"})
    activate(root, "a--1", "b--1")
    assert report(root, "--timeout=20")[0] == 0
    assert report(root, "--timeout=0.2", "--jobs=1")[0] == 65


def test_a_time_out_ends_all_of_a_check(root: Path, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    stubborn = f"#!/bin/sh\ntrap '' TERM\nsleep 100 & echo $! > {pid}\nwhile :; do wait; done\n"
    add(root, "a--1", {"check/stubborn": stubborn, "check/quick": HELLO})
    activate(root, "a--1")
    begun = time.monotonic()
    code, checks = report(root, "--timeout=0.5")
    assert time.monotonic() - begun < 20
    assert code == 65
    assert (checks["stubborn"]["reason"], checks["stubborn"]["signal"]) == ("timeout", "SIGKILL")
    assert checks["quick"]["ok"]
    await_end(int(pid.read_text()))


def test_what_a_check_leaves_behind_is_ended_and_not_waited_for(root: Path, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    add(root, "a--1", {"check/c": f"#!/bin/sh\nsleep 100 & echo $! > {pid}\necho done\n"})
    activate(root, "a--1")
    begun = time.monotonic()
    code, checks = report(root)
    assert (code, checks["c"]["stdout"]) == (0, "done\n")
    assert time.monotonic() - begun < 20
    await_end(int(pid.read_text()))


def test_endless_output_is_cut_at_its_beginning(root: Path) -> None:
    add(root, "a--1", {"check/c": "#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' x\necho end\n"})
    activate(root, "a--1")
    check = report(root)[1]["c"]
    said = str(check["stdout"])
    assert check["truncated"] and len(said) == 65536 and said.endswith("end\n")


def test_checks_have_the_environment_of_the_active_set(root: Path) -> None:
    info = {"environment": {"GREETING": "$(id) `id`"}}
    add(root, "a--1", {"bin/tool": HELLO, "check/c": '#!/bin/sh\ntool\necho "$GREETING"\n'}, info)
    activate(root, "a--1")
    assert report(root)[1]["c"]["stdout"] == "Hello World\n$(id) `id`\n"


def test_a_check_that_can_not_be_started_and_one_that_dies(root: Path) -> None:
    add(root, "a--1", {"check/no": "#!/nonexistent/x\n", "check/dies": "#!/bin/sh\nkill -9 $$\n"})
    activate(root, "a--1")
    checks = report(root)[1]
    assert checks["no"]["reason"] == "start-failed"
    assert (checks["dies"]["reason"], checks["dies"]["signal"]) == ("signal", "SIGKILL")


def test_names(root: Path) -> None:
    add(root, "a--1", {"check/x": HELLO, "check/y": HELLO})
    add(root, "b--1", {"check/x": HELLO})
    activate(root, "a--1", "b--1")
    for names, count in ((("a",), 2), (("b--1",), 1), (("x",), 2), (("y", "b"), 2)):
        done = packager(root, "check", "--format=json", *names)
        assert len(json.loads(done.stdout)["checks"]) == count
    assert packager(root, "check", "z").returncode == 66


def test_nothing_active_is_well(root: Path) -> None:
    assert packager(root, "check", "--format=json").returncode == 0


def test_events(root: Path) -> None:
    add(root, "a--1", {"check/good": HELLO, "check/bad": "#!/bin/sh\necho no >&2; exit 7\n"})
    activate(root, "a--1")
    done = packager(root, "check", "--format=ndjson")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {each["event"] for each in events[:-1]} == {"check"}
    assert events[-1] == {"event": "checked", "ok": False, "checks": 2, "failed": 1}
    assert b"a--1 bad: exit code 7\n    no" in done.stderr


def test_the_report_is_the_answer_over_http(
    root: Path, simulator: Callable[..., Simulator]
) -> None:
    add(root, "a--1", {"check/good": HELLO, "check/bad": "#!/bin/sh\necho no >&2; exit 7\n"})
    activate(root, "a--1")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    agent = simulator(TABLE, f"--environment=PACKAGER_ROOT={root}", f"--environment=PATH={path}")
    answer = requests.get(f"{agent.url}/packager/check.json", timeout=60)
    assert (answer.status_code, answer.json()["ok"]) == (200, False)
    assert {each["name"]: each["ok"] for each in answer.json()["checks"]} == {
        "good": True, "bad": False,
    }  # fmt: skip
    *told, record = map(
        json.loads, requests.get(f"{agent.url}/packager/check", timeout=60).iter_lines()
    )
    assert (told[-1]["event"], told[-1]["failed"], record["exit_code"]) == ("checked", 1, 65)
    (root / "active/generation.json").write_text("{")
    answer = requests.get(f"{agent.url}/packager/check.json", timeout=60)
    assert answer.status_code == 500
    assert "not the document of a generation" in answer.json()["stderr"]


def test_told_to_stop_it_ends_the_checks(root: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    add(root, "a--1", {"check/c": f"#!/bin/sh\necho $$ > {fifo}\nexec sleep 100\n"})
    activate(root, "a--1")
    with subprocess.Popen([*PACKAGER, "check"], env=environment(root)) as running:
        pid = int(fifo.read_text())
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == -signal.SIGTERM
    await_end(pid)
    assert staged(root) == []


def test_told_to_stop_while_it_starts_one_it_leaves_none(root: Path) -> None:
    """Told when the process of the check is there, and its descriptor is not yet."""
    if why_no_strace():
        pytest.skip(why_no_strace())
    add(root, "a--1", {"check/c": "#!/bin/sh\nsleep 30\nexit\n"})
    activate(root, "a--1")
    words = ["strace", "-f", "-o", "/dev/null", "-e", "trace=pidfd_open"]
    words += ["-e", "inject=pidfd_open:signal=TERM:when=1", *PACKAGER, "check"]
    done = subprocess.run(words, env=environment(root), timeout=20, check=False)
    assert done.returncode == -signal.SIGTERM
    assert working_on(root) == []


def test_what_left_the_group_and_writes_for_ever_holds_nothing_up(root: Path) -> None:
    pid = root.parent / "pid"
    program = f"#!/bin/sh\nsetsid sh -c 'echo $$ >{pid}; exec yes' &\nsleep 0.2\n"
    add(root, "a--1", {"check/leaves": program})
    assert packager(root, "activate", "a--1").returncode == 0
    try:
        code, found = report(root, "--timeout=5")
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)
    assert (code, found["leaves"]["ok"], found["leaves"]["truncated"]) == (0, True, True)
