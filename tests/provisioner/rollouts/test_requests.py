"""What a host keeps of rollouts: who asks, for what, what came of it; and whom it refuses."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.kill_points import counting, doing, points, tell, why_no_strace
from tests.support.profile_host import Host, profile
from tests.support.web_server import Request, Web, serve

HOST = ("--no-systemd", "--no-users")


@pytest.fixture
def host(memory: Path) -> Host:
    return Host(memory)


def web(number: int, **more: Any) -> dict[str, Any]:
    files = [{"path": "etc/web.conf", "content": f"{number}\n"}]
    return profile(configuration={"files": files}, **more)


def asked(attempt: int, *, revision: str = "r1", fence: int = 1, holder: str = "a") -> list[str]:
    """The options of a controller."""
    return [
        *HOST,
        f"--revision={revision}",
        "--rollout=o1",
        f"--attempt={attempt}",
        f"--fence={fence}",
        f"--holder={holder}",
    ]


@contextmanager
def applying(
    host: Host, document: dict[str, Any], words: list[str]
) -> Iterator[tuple[subprocess.Popen[bytes], threading.Event]]:
    """An apply that has come to its gate, which holds once the event is set."""
    release = threading.Event()

    def answer(connection: socket.socket, _request: Request, _web: Web) -> None:
        release.wait(60)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with serve(answer) as site:
        gated = {**document, "health": {**document["health"], "http": [{"url": site.url("/")}]}}
        with subprocess.Popen(
            [sys.executable, "-m", "provisioner", "apply", *words, "-"],
            stdin=subprocess.PIPE,
            env=host.environment,
        ) as running:
            assert running.stdin is not None
            running.stdin.write(json.dumps(gated).encode())
            running.stdin.close()
            while not site.requests:
                assert running.poll() is None
                os.sched_yield()
            yield running, release
            release.set()


def request(host: Host) -> dict[str, Any]:
    found: dict[str, Any] = host.json("history")["request"]
    return found


def test_what_a_rollout_asks_for_is_kept_and_told_everywhere(host: Host) -> None:
    assert host.json("facts")["rollout"] is None
    assert host.apply(web(1), *asked(1)).returncode == 0
    told = request(host)
    assert told["state"] == "ended" and told["exit_code"] == 0 and told["run"] == 1
    expected = {"revision": "r1", "rollout": "o1", "attempt": 1, "fence": 1, "holder": "a"}
    assert told == {**told, **expected, "command": "apply", "reason": None}
    assert host.history()[0] == {**host.history()[0], "revision": "r1", "attempt": 1}
    status = host.json("status", *HOST)
    assert (status["revision"], status["rollout"], status["request"]) == ("r1", "o1", told)
    assert host.json("facts")["rollout"]["request"] == told


def test_an_apply_without_anything_to_do_is_a_run_of_its_own_for_a_rollout(host: Host) -> None:
    assert host.apply(web(1), *asked(1)).returncode == 0
    assert host.apply(web(1), *HOST).returncode == 0  # a person's is none
    assert len(host.history()) == 1
    done = host.apply(web(1), *asked(2, revision="r2"))
    assert b"nothing was changed" in done.stdout
    first, second = host.history()
    assert (first["revision"], second["revision"]) == ("r1", "r2") and second["applied"]
    assert second["generation"] == {"before": 1, "found": 1, "after": 1}
    assert host.json("status", *HOST)["in_sync"] is True


def test_runs_without_anything_to_do_displace_no_other_one(host: Host) -> None:
    host.applied(web(1), *HOST)
    host.applied(web(2), *asked(1))
    runs = host.root / "provisioner" / "runs"
    record = json.loads((runs / "2" / "record.json").read_text())
    for number in range(3, 60):  # as fifty-seven rollouts would leave them
        (runs / str(number)).mkdir()
        (runs / str(number) / "profile.json").write_bytes((runs / "2/profile.json").read_bytes())
        written = {**record, "run": number, "unchanged": True}
        (runs / str(number) / "record.json").write_text(json.dumps(written))
    host.applied(web(2), *asked(60))
    kept = {each["run"] for each in host.history()}
    assert {1, 2, 60} <= kept and len(kept) == 52
    assert host.run("rollback", *HOST, "1").returncode == 0


def test_refusals_and_failures_are_kept_with_their_reason(host: Host) -> None:
    host.applied(web(1), *HOST)
    bad = web(2, health={"http": [{"url": "http://127.0.0.1:1/"}]})
    assert host.apply(bad, *asked(1)).returncode == 65
    told = request(host)
    assert told["exit_code"] == 65 and told["run"] == 2 and "127.0.0.1:1" in told["reason"]
    assert host.history()[1]["outcome"] == "rolled back"
    assert host.apply({"nonsense": 1}, *asked(2, revision="r2")).returncode == 65
    assert request(host) == {**request(host), "attempt": 2, "exit_code": 65, "run": None}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (asked(1, fence=2), "attempt 1 of rollout o1, or a later one, was here"),
        (asked(2, fence=2), "attempt 2 of rollout o1, or a later one, was here"),
        (asked(3, fence=1, holder="b"), "fence 1 of b is not above 2, which a holds"),
        (asked(3, fence=2, holder="b"), "fence 2 of b is not above 2, which a holds"),
    ],
)
def test_who_comes_too_late_is_refused_and_changes_nothing(
    host: Host, words: list[str], reason: str
) -> None:
    host.applied(web(1), *asked(2, fence=2))
    before = request(host)
    done = host.apply(web(2), *words)
    assert done.returncode == 73 and reason in done.stderr.decode()
    assert request(host) == before and host.read("etc/web.conf") == "1\n"
    assert host.apply(web(2), *HOST).returncode == 0  # a person is never refused


def test_a_revision_stands_for_one_profile(host: Host) -> None:
    host.applied(web(1), *asked(1))
    done = host.apply(web(2), *asked(2))
    assert done.returncode == 73 and b"revision r1 is known here with another" in done.stderr
    assert request(host)["exit_code"] == 73 and host.read("etc/web.conf") == "1\n"
    staged = host.run(
        *("stage", *HOST, "--revision=r1", "--rollout=o1", "-"), stdin=json.dumps(web(2)).encode()
    )
    assert staged.returncode == 73


def test_a_fence_rises_and_never_falls(host: Host) -> None:
    def fence(number: int, holder: str) -> tuple[int, dict[str, Any]]:
        done = host.run("fence", f"--holder={holder}", "--format=json", str(number))
        return done.returncode, json.loads(done.stdout or b"{}")

    assert fence(2, "a") == (0, {"fence": 2, "holder": "a", "request": None, "applied": None})
    assert fence(2, "a")[0] == 0 and fence(2, "b")[0] == 73 and fence(1, "a")[0] == 73
    host.applied(web(1), *asked(1, fence=2))
    code, told = fence(7, "b")
    assert code == 0 and told["request"]["attempt"] == 1
    expected = {"run": 1, "profile": "web", "revision": "r1", "rollout": "o1"}
    assert told["applied"] == expected
    assert host.apply(web(2), *asked(2, fence=2)).returncode == 73


def test_stage_has_everything_there_and_changes_nothing(host: Host) -> None:
    host.applied(web(1), *HOST)
    words = ("stage", *HOST, "--format=ndjson", "-")
    done = host.run(*words, stdin=json.dumps(web(2)).encode())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "event": "staged",
        "profile": "web",
        "packages": 1,
    }
    assert host.generation == 1 and len(host.history()) == 1 and request(host) is None
    rendered = [each.name for each in (host.root / "packages").iterdir()]
    assert len(rendered) == 2
    assert host.applied(web(2), *HOST)["changed"]


def test_what_belongs_together_is_said_together(host: Host) -> None:
    for words in (["--fence=1"], ["--holder=a"], ["--revision=r"], ["--attempt=1"]):
        assert host.apply(web(1), *words).returncode == 64, words
    assert host.run("fence", "1").returncode == 64
    for bad in ("", "a b", "x" * 65, "ü", "a/b", "../x"):
        assert host.apply(web(1), f"--rollout={bad}").returncode == 64, bad
    assert not host.root.exists()


def test_a_timer_leaves_what_a_rollout_has_begun_to_its_controller(host: Host) -> None:
    host.applied(web(1), *HOST)
    with applying(host, web(2), asked(1)) as (running, _):
        running.kill()
        running.wait()
    assert request(host)["state"] == "interrupted"
    done = host.run("apply", *HOST)
    assert done.returncode == 75 and b"of rollout o1 was interrupted" in done.stderr
    assert host.apply(web(2), *asked(2, revision="r2")).returncode == 0
    assert host.run("apply", *HOST).returncode == 0


def test_an_interrupted_request_does_not_run_because_another_command_does(host: Host) -> None:
    host.applied(web(1), *HOST)
    with applying(host, web(2), asked(1)) as (running, _):
        running.kill()
        running.wait()
    with applying(host, web(3), [*HOST]) as (somebody, release):
        assert request(host)["state"] == "interrupted"
        told = json.loads(host.run("status", "--format=json").stdout)  # it is in the middle: 1
        assert told["request"]["state"] == "interrupted"
        release.set()
        assert somebody.wait(60) == 0
    assert request(host)["state"] == "interrupted"


def test_a_fence_is_raised_while_an_apply_runs_which_comes_to_its_end(host: Host) -> None:
    host.applied(web(1), *HOST)
    with applying(host, web(2), asked(1)) as (running, release):
        assert request(host)["state"] == "running"
        assert host.run("fence", "--holder=b", "9").returncode == 0
        assert request(host)["state"] == "running"
        release.set()
        assert running.wait(60) == 0
    told = request(host)
    assert (told["state"], told["exit_code"], told["fence"], told["run"]) == ("ended", 0, 1, 2)
    assert host.apply(web(3), *asked(2)).returncode == 73


@pytest.mark.parametrize("everywhere", [False, pytest.param(True, marks=pytest.mark.long)])
def test_killed_at_every_call(
    host: Host, everywhere: bool, record_property: Callable[[str, object], None]
) -> None:
    """Whatever was killed: what the host tells is true, and another attempt comes to the end."""
    if why_no_strace():
        pytest.skip(why_no_strace())
    host.applied(web(1), *HOST)
    model = host.top / "model"
    host.root.rename(model)

    def fresh() -> None:
        subprocess.run(["rm", "-rf", host.root], check=True)
        subprocess.run(["cp", "-a", model, host.root], check=True)

    def traced(tracer: list[str]) -> subprocess.CompletedProcess[bytes]:
        stdin = json.dumps(web(2)).encode()
        return host.run("apply", *asked(1), "-", stdin=stdin, tracer=tracer)

    fresh()
    log = host.top / "log"
    assert traced(counting(log)).returncode == 0
    found = [each for each in points(log.read_text()) if each.changes_something]
    if not everywhere:
        found = [
            each for each in found if "state.json" in each.arguments or "/runs" in each.arguments
        ]
    assert len(found) >= 6
    lost = []
    for point in found:
        fresh()
        killed = traced(doing("signal=KILL", point, host.top / "killed"))
        assert killed.returncode == -signal.SIGKILL
        told = host.json("history")
        runs = [each for each in told["runs"] if each["rollout"] == "o1"]
        if runs and (told["request"] is None or told["request"]["attempt"] != 1):
            lost.append(f"{point}: a run that nobody has asked for")
        if told["request"] is not None and told["request"]["state"] == "running":
            lost.append(f"{point}: nobody is at work")
        again = host.apply(web(2), *asked(1)).returncode
        if again != (73 if told["request"] is not None else 0):
            lost.append(f"{point}: the same attempt again ended with {again}")
        if host.apply(web(2), *asked(2)).returncode != 0:
            lost.append(f"{point}: the next attempt did not come to its end")
        if host.read("etc/web.conf") != "2\n" or request(host)["exit_code"] != 0:
            lost.append(f"{point}: another end")
    tell("kill points", "an apply of a rollout", len(found), lost, record_property)
