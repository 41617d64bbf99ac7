"""Many runs of `provisioner`, each in a process of its own that need not import anything first.

A server has imported all of it and forks: the child gets arguments and environment and is the
program, from there on. Python's start, which is the most of a run's time, changes no disk.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Timer

PATIENCE = 60.0  # seconds; who hangs for so long is killed

SERVER = """
import json, os, signal, sys
import jsonschema, requests, yaml
from packager import activation, collect, front, hostapply, install, parallel, resolve, unpack
from provisioner import (apply, configuration, drift, given, health, intent, plandocument, planning,
                         probe, reading, render, repair, runs, validation, wanted, yaml12)
from provisioner.commands import PROVISIONER
from provisioner.handlers import apply, history, plan, rollback
jsonschema.Draft202012Validator({})
for line in sys.stdin:
    order = json.loads(line)
    pid = os.fork()
    if pid == 0:
        os.environ.clear()
        os.environ.update(order["environment"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(order["stdout"], os.O_WRONLY), 1)
        os.dup2(os.open(order["stderr"], os.O_WRONLY), 2)
        os.closerange(3, 64)
        if order["stopped"]:
            os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(front.run(PROVISIONER, order["words"]))
    if order["stopped"]:
        os.waitpid(pid, os.WUNTRACED)
    print(pid, flush=True)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(status, flush=True)
"""


class Forks:
    """The running server."""

    def __init__(self, server: subprocess.Popen[str], directory: Path) -> None:
        self._server = server
        self._stdout = directory / "stdout"
        self._stderr = directory / "stderr"

    def run(
        self,
        words: Sequence[str | Path],
        environment: dict[str, str],
        tracer: Sequence[str] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end. tracer: a command that is given the process's id, and says when it has
        attached to it."""
        self._stdout.write_text("")
        self._stderr.write_text("")
        order = {
            "words": [str(word) for word in words],
            "environment": environment,
            "stdout": str(self._stdout),
            "stderr": str(self._stderr),
            "stopped": bool(tracer),
        }
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        pid = int(self._server.stdout.readline())
        impatience = Timer(PATIENCE, os.kill, (pid, signal.SIGKILL))
        impatience.start()
        try:
            with attached(tracer, pid) if tracer else nullcontext():
                if tracer:
                    os.kill(pid, signal.SIGCONT)
                status = int(self._server.stdout.readline())
        finally:
            impatience.cancel()
        return subprocess.CompletedProcess(
            order["words"], status, self._stdout.read_text(), self._stderr.read_text()
        )


@contextmanager
def attached(tracer: Sequence[str], pid: int) -> Iterator[None]:
    with subprocess.Popen([*tracer, "-p", str(pid)], stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        said = running.stderr.readline()
        assert "attached" in said, said
        yield
        running.stderr.read()  # it ends with the process


@contextmanager
def forks() -> Iterator[Forks]:
    """A server, for as long as the block lasts."""
    with (
        tempfile.TemporaryDirectory() as directory,
        subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as server,
    ):
        yield Forks(server, Path(directory))
        assert server.stdin is not None
        server.stdin.close()
