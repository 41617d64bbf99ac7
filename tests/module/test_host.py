"""What the contract suite can not see of the module: its parameters, and what its death leaves.

They need a build of module/ with libprocess (docs/module.md), named by ABI_MODULE_BUILD.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from agentsim.suite.hosts.memory_use import MIB
from agentsim.suite.hosts.processes import descendants, resident, stat
from agentsim.suite.tests.reused_process_ids import innocent

from tests.support import old_kernel

BUILD = os.environ.get("ABI_MODULE_BUILD")
HOST = Path(BUILD or "", "host")

pytestmark = pytest.mark.skipif(
    not BUILD or not HOST.is_file(),
    reason="ABI_MODULE_BUILD does not name a build of module/ with libprocess",
)

LIMIT = 30.0
ROUTE = {"path": "/true", "method": "GET", "argv": []}


Serve = Callable[..., tuple[subprocess.Popen[bytes], int]]


def table(process: str = "t", **fields: Any) -> str:
    """A valid table, but for what `fields` says."""
    whole = {"abi": 1, "process": process, "command": ["/bin/true"], "routes": [ROUTE], **fields}
    return json.dumps(whole)


def check(*options: str) -> subprocess.CompletedProcess[str]:
    """What the host says of its parameters."""
    return subprocess.run(
        [HOST, *options, "--check=yes"], capture_output=True, text=True, timeout=LIMIT, check=False
    )


def _has_ended(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def until(condition: Callable[[], Any], what: str, limit: float = LIMIT) -> Any:
    """The first true value of `condition`."""
    end = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < end, f"no {what} in {limit:.0f} s"
        time.sleep(0.01)
    return value


def test_a_directory_of_tables_is_served(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(table("a"))
    (tmp_path / "b.json").write_text(table("b"))
    (tmp_path / "readme.txt").write_text("not a table")
    done = check(f"--routes={tmp_path}")
    assert done.returncode == 0
    assert "/a" in done.stderr and "/b" in done.stderr


def test_every_mistake_is_told_with_its_place(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(table(routes=[{**ROUTE, "path": "true", "timeout": 0}]))
    done = check(
        f"--routes={bad}",
        f"--routes={tmp_path}/missing.json",
        "--spool_limit=much",
        "--environment=ABI_ROUTE=x",
        "--environment=1",
        "--tables=x",
    )
    assert done.returncode == 78
    for words in (
        f"{bad}: /routes/0/path: ",
        f"{bad}: /routes/0/timeout: ",
        f"{tmp_path}/missing.json: ",
        "parameter spool_limit 'much': ",
        "parameter environment 'ABI_ROUTE=x': ",
        "parameter environment '1': ",
        "parameter tables 'x': there is no such parameter",
    ):
        assert words in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "parameter routes: "),
        (["--routes=."], "no file *.json"),
        (["--routes=t.json", "--routes=copy.json"], 'another table serves "t" already'),
        (["--routes=t.json", "--spool_dir=missing"], "parameter spool_dir: missing: "),
    ],
)
def test_what_can_not_be_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], words: str
) -> None:
    (tmp_path / "tables").mkdir()
    for name in ("t.json", "copy.json"):
        (tmp_path / "tables" / name).write_text(table())
    monkeypatch.chdir(tmp_path if options == ["--routes=."] else tmp_path / "tables")
    done = check(*options)
    assert done.returncode == 78
    assert words in done.stderr


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts hosts, each of one table, by way of another program if need be."""
    programs: list[subprocess.Popen[bytes]] = []

    def start(
        text: str, *before: str, options: Sequence[str] = ()
    ) -> tuple[subprocess.Popen[bytes], int]:
        (tmp_path / "table.json").write_text(text)
        log = tmp_path / "log"
        environment = {**os.environ, "LIBPROCESS_IP": "127.0.0.1", "LIBPROCESS_PORT": "0"}
        with log.open("wb") as out:
            program = subprocess.Popen(
                [*before, HOST, f"--routes={tmp_path}/table.json", *options],
                stderr=out,
                env=environment,
            )
        programs.append(program)
        until(lambda: "serving on http://" in log.read_text(), "host")
        return program, int(log.read_text().split("serving on http://")[1].split()[0].split(":")[1])

    yield start
    for program in programs:
        program.kill()
        program.wait()


def sleeper(path: Path, **fields: Any) -> dict[str, Any]:
    """A route whose command says its process id and that of its child; both sleep."""
    script = f"sleep 60 & echo $$ $! > {path}.new; mv {path}.new {path}; wait; exec sleep 60"
    return {"path": f"/{path.name}", "method": "GET", "argv": ["-c", script], **fields}


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize("options", [[], ["--forks=yes"]], ids=["alone", "with forks of it"])
def test_after_the_death_of_a_host_nothing_of_its_commands_runs_for_ever(
    tmp_path: Path, serve: Serve, options: list[str]
) -> None:
    """Forks of the host that have not executed a program live on, with all that the host had."""
    routes = {
        "read": sleeper(tmp_path / "read"),
        "change": sleeper(tmp_path / "change", disconnect="finish", timeout=3, grace=0),
        "stubborn": sleeper(tmp_path / "stubborn", grace=1),
    }
    routes["stubborn"]["argv"][1] = "trap '' TERM; " + routes["stubborn"]["argv"][1]
    whole = table(command=["/bin/sh"], routes=list(routes.values()))
    program, port = serve(whole, options=options)
    connections = []
    for name in routes:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
        connection.request("GET", f"/t/{name}")
        connections.append(connection)
    pids = {}
    for name in routes:
        until((tmp_path / name).exists, name)
        pids[name] = [int(pid) for pid in (tmp_path / name).read_text().split()]
        assert len(pids[name]) == 2
    program.send_signal(signal.SIGKILL)
    program.wait()
    assert all(map(alive, pids["change"] + pids["stubborn"]))
    until(lambda: not any(map(alive, pids["read"])), "end of the read and of its child")
    until(lambda: not any(map(alive, pids["stubborn"])), "end of what ignores SIGTERM")
    until(lambda: not any(map(alive, pids["change"])), "end of the change, after its time-out")
    for connection in connections:
        connection.close()


def test_commands_that_a_host_has_seen_to_their_end_are_nobody_of_its_guard(
    tmp_path: Path, serve: Serve
) -> None:
    """The guard of a host that ends in order finds nothing to do, and ends too."""
    program, port = serve(table())
    guard = until(lambda: guards(tmp_path), "guard")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    connection.request("GET", "/t/true")
    connection.getresponse().read()
    connection.close()
    program.terminate()
    program.wait(LIMIT)
    until(lambda: not any(map(alive, guard)), "end of the guard")


def test_the_guard_ends_nobody_who_has_the_number_of_a_command_next(
    tmp_path: Path, serve: Serve
) -> None:
    route = sleeper(tmp_path / "change", disconnect="finish", timeout=3, grace=0)
    program, port = serve(table(command=["/bin/sh"], routes=[route]))
    (guard,) = until(lambda: guards(tmp_path), "guard")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    connection.request("GET", "/t/change")
    until((tmp_path / "change").exists, "command")
    pid, child = map(int, (tmp_path / "change").read_text().split())
    began = int(stat(pid)[19])
    # What the host and its command do meanwhile, the guard sees late, as on a busy machine.
    os.kill(guard, signal.SIGSTOP)
    program.kill()
    program.wait()
    connection.close()
    for number in (child, pid):
        os.kill(number, signal.SIGKILL)
        until(partial(_has_ended, number), "end of the command")
    until(lambda: time.clock_gettime(time.CLOCK_BOOTTIME) * 100 > began + 200, "two seconds")
    with innocent(pid) as process:
        os.kill(guard, signal.SIGCONT)
        if process is None:
            pytest.skip("somebody else got the number")
        until(lambda: not alive(guard), "end of the guard")
        assert process.poll() is None, "the guard has killed another process"


def guards(tmp_path: Path) -> list[int]:
    """The process ids of the guards of hosts that were started on this table."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name = (entry / "comm").read_text().strip()
            mine = str(tmp_path) in (entry / "cmdline").read_text()
        except OSError:
            continue
        if name == "command-guard" and mine:
            found.append(int(entry.name))
    return found


def test_clients_that_close_at_once_leave_nothing_running(tmp_path: Path, serve: Serve) -> None:
    """libprocess tells nobody of a client that leaves before its request was looked at."""
    route = {"path": "/sleep", "method": "GET", "argv": ["60"]}
    program, port = serve(table(command=["/bin/sleep"], routes=[route]))
    for _ in range(50):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
        connection.request("GET", "/t/sleep")
        connection.close()
    children = Path(f"/proc/{program.pid}/task")

    def running() -> list[str]:
        return [
            pid for task in children.iterdir() for pid in (task / "children").read_text().split()
        ]

    until(lambda: not running(), "end of the commands")


def test_metrics_and_help(
    serve: Serve,
) -> None:
    route = {**ROUTE, "help": "Does nothing, well."}
    _, port = serve(table(routes=[route]))

    def get(path: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
        connection.request("GET", path)
        answer = connection.getresponse().read().decode()
        connection.close()
        return answer

    get("/t/true")
    get("/t/true?unknown=1")
    metrics = json.loads(get("/metrics/snapshot"))
    assert metrics["commands/t/true/GET/started"] == 1
    assert metrics["commands/t/true/GET/refused"] == 1
    assert metrics["commands/t/true/GET/failed"] == 0
    assert metrics["commands/t/true/GET/running"] == 0
    assert "Does nothing, well." in get("/help/t/true")


@pytest.mark.skipif(not old_kernel.supported(), reason="no filter of system calls is known here")
def test_on_a_kernel_without_pidfds(tmp_path: Path, serve: Serve) -> None:
    """Exits are looked for, signals go to process ids, and nothing else is different."""
    escaping = f"setsid sh -c 'echo $$ > {tmp_path}/escaped; exec sleep 60' & sleep 0.3; echo out"
    routes = [
        {"path": "/exit", "method": "GET", "argv": ["-c", "exit 66"]},
        {"path": "/slow", "method": "GET", "argv": ["-c", "sleep 60"], "timeout": 0.2},
        {"path": "/escape", "method": "GET", "argv": ["-c", escaping]},
    ]
    runner = (sys.executable, str(Path(old_kernel.__file__)))
    _, port = serve(table(command=["/bin/sh"], routes=routes), *runner)

    def get(path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
        connection.request("GET", path)
        answer = connection.getresponse()
        read = answer.status, answer.read()
        connection.close()
        return read

    for _ in range(20):
        assert get("/t/exit")[0] == 404
    status, body = get("/t/slow")
    assert status == 504 and json.loads(body)["signal"] == "SIGTERM"
    assert get("/t/escape") == (200, b"out\n")
    escaped = int((tmp_path / "escaped").read_text())
    until(lambda: not alive(escaped), "end of a descendant in a session of its own")


def test_streams_of_clients_that_close_at_once_leave_no_memory(serve: Serve) -> None:
    argv = ["-c", "exec head -c 4000000 /dev/zero"]
    route = {
        "path": "/zeros",
        "method": "GET",
        "argv": argv,
        "disconnect": "finish",
        "response": {"delivery": "stream"},
    }
    program, port = serve(table(command=["/bin/sh"], routes=[route]))

    def ask(count: int) -> int:
        for _ in range(count):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"GET /t/zeros HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: not descendants(program.pid), "end of all commands")
        return resident(program.pid)

    before = ask(100)
    assert ask(150) - before < 96 * MIB  # of 600 that were written


def test_many_small_writes_to_a_client_that_does_not_read_cost_little(serve: Serve) -> None:
    script = "import os, time\nfor _ in range(60_000): os.write(1, b'x'); time.sleep(0)"
    route = {
        "path": "/small",
        "method": "GET",
        "argv": ["-c", script],
        "response": {"delivery": "stream"},
        "timeout": 300,  # it takes a second, where nothing else runs
    }
    program, port = serve(table(command=[sys.executable], routes=[route]))
    before = resident(program.pid)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.sendall(b"GET /t/small HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: descendants(program.pid), "start")
        until(lambda: not descendants(program.pid), "end", limit=300)
        assert resident(program.pid) - before < 3 * MIB // 2


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_does_not_wait(
    tmp_path: Path, serve: Serve, second: signal.Signals
) -> None:
    told = tmp_path / "told"
    script = f"trap 'touch {told}' TERM; touch {told}.0; while :; do sleep 0.1; done"
    route = {**ROUTE, "argv": ["-c", script], "grace": 60}
    program, port = serve(table(command=["/bin/sh"], routes=[route]))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    connection.request("GET", "/t/true")
    until(Path(f"{told}.0").exists, "start")
    program.send_signal(signal.SIGTERM)
    until(told.exists, "SIGTERM of the command")
    program.send_signal(second)
    assert program.wait(timeout=LIMIT) == -second
