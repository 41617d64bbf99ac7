"""A log that nobody takes: the simulated agent goes on, and says later what it could not write."""

from __future__ import annotations

import fcntl
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests
from agentsim.suite.hosts.processes import wait_until

from tests.conftest import Simulator
from tests.support.shell_table import shell_table

DROPPED = re.compile(r"(\d+) lines of this log were dropped")
#: Requests, with lines of 8 KiB: a pipe takes 64 KiB, and the simulator keeps a mebibyte.
MANY = 300


@contextmanager
def host(table: Path, stderr: int, said: Callable[[], str], *options: str) -> Iterator[str]:
    """A simulator with this standard error; its URL."""
    command = [sys.executable, "-m", "agentsim", "serve", "--port=0", *options, str(table)]
    with subprocess.Popen(command, stderr=stderr) as process:
        try:
            text = ""
            while not (url := re.search(r"http://[\d.:]+", text)):
                text += said()
            yield url[0]
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                # However full the log is, it ends.
                assert process.wait(60) == 0
            finally:
                process.kill()


def ask(url: str, count: int) -> None:
    """Ask so often for what is not there, under a name that fills the log."""
    with requests.Session() as session:
        for _ in range(count):
            assert session.get(f"{url}/{'x' * 8000}", timeout=30).status_code == 404


def drain(descriptor: int) -> Callable[[], str]:
    """A look at what can be read now."""
    os.set_blocking(descriptor, False)
    found = b""

    def look() -> str:
        nonlocal found
        with suppress(BlockingIOError):
            found += os.read(descriptor, 1 << 20)
        return found.decode("utf-8", "replace")

    return look


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return shell_table(tmp_path, "echo said >&2", {"path": "/say"})


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_pipe_that_nobody_reads(table: Path, form: str) -> None:
    reader, writer = os.pipe()
    said = lambda: os.read(reader, 4096).decode()  # noqa: E731
    with host(table, writer, said, f"--log-format={form}") as url:
        ask(url, MANY)
        assert not fcntl.fcntl(writer, fcntl.F_GETFL) & os.O_NONBLOCK, "not only for this program"
        look = drain(reader)
        wait_until(lambda: DROPPED.search(look()), 30, "the number of lines that were dropped")
        ask(url, 1)
        wait_until(lambda: look().count("x" * 8000) + int(number(look())) == MANY + 1, 30, "all")
    text = look()
    if form == "json":
        events = [json.loads(line) for line in text.splitlines()]
        assert {event["event"] for event in events} == {"request", "host"}


def number(text: str) -> str:
    found = DROPPED.search(text)
    assert found
    return found[1]


def test_a_terminal_that_was_stopped(table: Path) -> None:
    ours, theirs = os.openpty()
    with host(table, theirs, lambda: os.read(ours, 4096).decode()) as url:
        termios.tcflow(theirs, termios.TCOOFF)  # Ctrl-S
        ask(url, 20)
        look = drain(ours)
        assert "x" * 8000 not in look()
        termios.tcflow(theirs, termios.TCOON)
        wait_until(lambda: look().count("x" * 8000) == 20, 30, "the lines that waited")


def test_a_disk_without_room(simulator: Callable[..., Simulator], table: Path) -> None:
    running = simulator(table)
    _, hard = resource.prlimit(running.pid, resource.RLIMIT_FSIZE)
    size = running.log.stat().st_size
    resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (size + 10_000, hard))
    ask(running.url, 5)
    assert running.log.stat().st_size <= size + 10_000
    resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (hard, hard))
    ask(running.url, 1)

    def told() -> int:
        text = running.log.read_text()
        return text.count("x" * 8000) + sum(map(int, DROPPED.findall(text)))

    # A line may come later than its answer. One was written, of the next one a part.
    wait_until(lambda: told() == 6, 30, "all lines, written or counted")
    lines = running.log.read_text().splitlines()
    assert any(DROPPED.search(line) for line in lines)
    assert "x" * 8000 in lines[-1]


def test_a_reader_that_has_gone(table: Path) -> None:
    reader, writer = os.pipe()
    with host(table, writer, lambda: os.read(reader, 4096).decode()) as url:
        os.close(reader)
        ask(url, 3)


def test_a_socket_that_nobody_reads(table: Path) -> None:
    ours, theirs = socket.socketpair()
    with host(table, theirs.fileno(), lambda: ours.recv(4096).decode()) as url:
        ask(url, 100)
        look = drain(ours.fileno())
        wait_until(lambda: look().count("x" * 8000) == 100, 30, "the lines that waited")


def test_without_a_standard_error(table: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "agentsim", "serve", f"--port={port}", str(table)]
    with subprocess.Popen(["/bin/sh", "-c", 'exec 2>&-; exec "$@"', "sh", *words]) as process:

        def answered() -> bool:
            try:
                return requests.get(f"http://127.0.0.1:{port}/t/say", timeout=30).ok
            except requests.ConnectionError:
                return False

        wait_until(answered, 60, "an answer")
        process.terminate()
