"""What the demonstration plays on, and what ends with it: a directory, an agent, a repository."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

EX_UNAVAILABLE = 69
PRINCIPAL = "operator"


class NoStage(Exception):
    """Something that the demonstration needs is missing or does not start; the text says what."""


@contextmanager
def directory() -> Iterator[Path]:
    """A temporary directory, removed at the end with whatever is in it."""
    path = Path(tempfile.mkdtemp(prefix="packager-demo-"))
    try:
        yield path
    finally:
        for parent, _, _ in os.walk(path):  # packages are immutable trees: read-only directories
            Path(parent).chmod(0o700)
        shutil.rmtree(path)


def route_table(name: str) -> Path:
    """A command's route table: of this checkout, or as the distribution installed it.

    Raises:
        NoStage: there is neither.
    """
    places = [
        Path(__file__).parents[3] / "module" / "routes" / f"{name}.json",
        Path(sys.prefix, "share", "mesos-packager", "routes", f"{name}.json"),
    ]
    for place in places:
        if place.is_file():
            return place
    raise NoStage(f"the route table is in neither {places[0]} nor {places[1]}")


def search_path() -> str:
    """The PATH on which the agent's commands, and its own, are found: this environment's first.

    Raises:
        NoStage: it has no `packager`.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    if not shutil.which("packager", path=path):
        raise NoStage("there is no `packager` on the PATH: pip install './cli[provisioner]'")
    return path


def credentials(file: Path) -> str:
    """Write a credentials file as an agent reads it, one principal in it; return its secret."""
    secret = secrets.token_hex(6)
    file.touch(mode=0o600)
    file.write_text(json.dumps({"credentials": [{"principal": PRINCIPAL, "secret": secret}]}))
    return secret


class Agent:
    """An `agentsim serve` of its own process.

    Attributes:
        url: where it answers, without a slash at the end.
        port_taken: the preferred port was in use, another one is used.
    """

    def __init__(self) -> None:
        self.url = ""
        self.port_taken = False
        self._process: subprocess.Popen[str] | None = None
        self._listener: Callable[[str], None] | None = None

    def start(self, command: list[str], path: str, port: int) -> None:
        """Run `command` (all but the port) with `path` as PATH, and wait until it answers.

        Raises:
            NoStage: it does not start.
        """
        lines: list[str] = []
        for attempt in (port, 0):
            # A session of its own: Ctrl-C is the demonstration's, which ends its agent in order.
            self._process = subprocess.Popen(
                [*command, f"--port={attempt}"],
                env={**os.environ, "PATH": path},
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            assert self._process.stderr
            for line in self._process.stderr:
                lines.append(line.rstrip())
                _, found, place = line.partition(" on http://")
                if found:
                    self.url = f"http://{place.strip()}"
                    self.port_taken = attempt != port
                    threading.Thread(target=self._read, daemon=True).start()
                    return
            if self._process.wait() != EX_UNAVAILABLE:
                break
        raise NoStage(f"the agent does not start: {' '.join(lines)}")

    def _read(self) -> None:
        assert self._process
        for line in self._process.stderr or ():
            if self._listener:
                self._listener(line.rstrip())

    def listen(self, listener: Callable[[str], None]) -> None:
        """Hand every further line of its log to `listener`, in a thread of its own."""
        self._listener = listener

    def wait(self) -> int:
        """Wait until it ends by itself; its exit status."""
        assert self._process
        return self._process.wait()

    def end(self) -> None:
        """End it and the commands that it runs, and wait for that."""
        self._listener = None
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


@contextmanager
def agent(command: list[str], path: str, port: int) -> Iterator[Agent]:
    """A running agent, ended at the end."""
    running = Agent()
    try:
        running.start(command, path, port)
        yield running
    finally:
        running.end()


class Shop(SimpleHTTPRequestHandler):
    """Serves files without a word, no faster than a network would."""

    bytes_per_second = 16_000_000
    protocol_version = "HTTP/1.1"

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send the file in slices."""
        pause = 0.05
        while data := source.read(int(self.bytes_per_second * pause)):
            outputfile.write(data)
            time.sleep(pause)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: the agent's side of the story is told."""


class Repository(ThreadingHTTPServer):
    """An HTTP server whose clients may leave."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that is gone: it was told to end, and the story tells that."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def repository(files: Path) -> Iterator[str]:
    """An HTTP server for a directory on a free loopback port; gives its URL."""
    server = Repository(("127.0.0.1", 0), partial(Shop, directory=str(files)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
