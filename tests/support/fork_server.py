"""Many runs of `packager` and `provisioner`, each in a process of its own that imports nothing.

A server has imported what they need and forks: the child gets words, environment and descriptors,
and is the program from there on. Python's start, the most of a run's time, changes no disk. There
are two servers, since the larger a process is the longer it takes to fork: one for what packager
does without the network, and one for all else.

They belong to the process that asks them, start when they are first asked, and end with it.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from threading import Lock, Timer
from typing import IO

PATIENCE = 120.0  # seconds; who hangs for so long is killed
PROGRAMS = ("packager", "provisioner")
LATE = ("grp", "pwd", "subprocess", "traceback")  # another user may not be able to read them
LARGE = ("requests", "tuf", "urllib3", "cryptography")  # libraries
REMOTE = {"fetch", "index", "key", "repair", "search", "trust"}  # the commands that use these


class Ran:
    """A program that has been started, with the standard descriptors that `start` was given."""

    def __init__(self, connection: socket.socket) -> None:
        self._told = connection.makefile()
        connection.close()
        self.pid = int(self._told.readline())
        self.returncode: int | None = None

    def wait(self, tracer: Sequence[str] = ()) -> int:
        """Its exit status, minus the signal if one ended it; see `run`."""
        impatience = Timer(PATIENCE, os.kill, (self.pid, signal.SIGKILL))
        impatience.daemon = True
        impatience.start()
        try:
            with attached(tracer, self.pid) if tracer else nullcontext():
                if tracer:
                    os.kill(self.pid, signal.SIGCONT)
                self.returncode = int(self._told.readline())
        finally:
            impatience.cancel()
            self._told.close()
        return self.returncode


def run(
    words: Sequence[str | Path],
    environment: Mapping[str, str],
    *,
    stdin: bytes = b"",
    tracer: Sequence[str] = (),
    mounts: Mapping[str, Path] | None = None,
    user: int | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program, named by the first word, to its end, everything captured.

    tracer: a command that is given the process's id, and says when it has attached to it. mounts:
    what the program, and nobody else, finds mounted at these paths, if this process is root's.
    user: whom the program is run as, without groups, likewise.
    """
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        given.write(stdin)
        given.seek(0)
        standard = (given, out, err)
        ran = start(words, environment, standard, stopped=bool(tracer), mounts=mounts, user=user)
        code = ran.wait(tracer)
        said, complaint = (os.pread(each.fileno(), 1 << 30, 0) for each in (out, err))
    return subprocess.CompletedProcess([str(word) for word in words], code, said, complaint)


def start(
    words: Sequence[str | Path],
    environment: Mapping[str, str],
    standard: Sequence[IO[bytes]],
    *,
    stopped: bool = False,
    mounts: Mapping[str, Path] | None = None,
    user: int | None = None,
) -> Ran:
    """Start a program; `stopped`: as if by SIGSTOP, before it does anything."""
    program, *rest = map(str, words)
    order = {
        "program": program,
        "words": rest,
        "environment": dict(environment),
        "stopped": stopped,
        "mounts": {place: str(source) for place, source in (mounts or {}).items()},
        "directory": str(Path.cwd()),
        "user": user,
    }
    connection = socket.socket(socket.AF_UNIX)
    local = program == "packager" and not REMOTE.intersection(rest)
    connection.connect(_address("local" if local else "all"))
    encoded = json.dumps(order).encode()
    socket.send_fds(connection, [b"%9d" % len(encoded)], [each.fileno() for each in standard])
    connection.sendall(encoded)
    return Ran(connection)


@contextmanager
def attached(tracer: Sequence[str], pid: int) -> Iterator[None]:
    with subprocess.Popen([*tracer, "-p", str(pid)], stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        said = running.stderr.readline()
        assert "attached" in said, said
        yield
        running.stderr.read()  # it ends with the process


_lock = Lock()
_addresses: dict[str, str] = {}


def _address(kind: str) -> str:
    """Where the server of this kind listens; it is started if there is none."""
    with _lock:
        if kind not in _addresses:
            directory = tempfile.TemporaryDirectory(prefix="forks-")
            place = f"{directory.name}/socket"
            server = subprocess.Popen(
                [sys.executable, __file__, kind, place],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert server.stdin is not None and server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            atexit.register(server.wait)
            atexit.register(directory.cleanup)
            atexit.register(server.stdin.close)  # the first of these to be called
            _addresses[kind] = place
        return _addresses[kind]


# --- the server -----------------------------------------------------------------------------------


def load(kind: str) -> None:
    """Import what the programs may, late or not."""
    import importlib
    import pkgutil

    for name in LATE:
        importlib.import_module(name)
    away = LARGE if kind == "local" else ()
    for name in away:
        sys.modules[name] = None  # type: ignore[assignment]
    for name in PROGRAMS[:1] if kind == "local" else PROGRAMS:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.endswith("__main__"):
                with suppress(Exception):  # it needs a library that is not there
                    importlib.import_module(module.name)
    for name in away:
        del sys.modules[name]
    if kind != "local":
        with suppress(ImportError):
            import jsonschema

            jsonschema.Draft202012Validator({})


def serve(kind: str, place: str) -> None:
    """Fork a program for each that connects, until standard input ends."""
    import gc
    import select

    load(kind)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place)
    listener.listen(64)
    gc.collect()
    gc.freeze()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    waited: dict[int, tuple[int, socket.socket]] = {}  # by pidfd
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(listener, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == 0:
                return
            if fd == listener.fileno():
                connection = listener.accept()[0]
                size, standard, _, _ = socket.recv_fds(connection, 9, 3)
                order = json.loads(connection.recv(int(size), socket.MSG_WAITALL))
                pid = os.fork()
                if pid == 0:
                    become(order, standard)
                for each in standard:
                    os.close(each)
                if order["stopped"]:
                    os.waitpid(pid, os.WUNTRACED)
                pidfd = os.pidfd_open(pid)
                waited[pidfd] = pid, connection
                poll.register(pidfd, select.POLLIN)
                connection.sendall(b"%d\n" % pid)
            else:
                pid, connection = waited.pop(fd)
                poll.unregister(fd)
                os.close(fd)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with suppress(BrokenPipeError):
                    connection.sendall(b"%d\n" % status)
                connection.close()


def become(order: dict[str, object], standard: list[int]) -> None:
    """Be the program that is asked for, and end."""
    import importlib

    status = 1
    try:
        program, words = order["program"], order["words"]
        environment, mounts = order["environment"], order["mounts"]
        assert isinstance(words, list)
        assert isinstance(environment, dict) and isinstance(mounts, dict)
        os.environ.clear()
        os.environ.update(environment)
        for number, fd in enumerate(standard):
            os.dup2(fd, number)
        os.closerange(3, 4096)
        os.chdir(str(order["directory"]))
        if mounts:
            bind(mounts)
        if isinstance(user := order["user"], int):
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
        if order["stopped"]:
            os.kill(os.getpid(), signal.SIGSTOP)
        sys.argv = [str(program), *words]
        importlib.import_module(f"{program}.main").main()
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else 1 if left.code else 0
    except BaseException:  # as the interpreter would
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def bind(mounts: Mapping[str, str]) -> None:
    """Mount what the paths stand for at them, for this process and its children only."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    private, recursive, bound, namespace = 1 << 18, 1 << 14, 1 << 12, 0x20000
    failed = libc.unshare(namespace) or libc.mount(None, b"/", None, private | recursive, None)
    for place, source in mounts.items():
        failed = failed or libc.mount(os.fsencode(source), os.fsencode(place), None, bound, None)
    if failed:
        raise OSError(ctypes.get_errno(), "nothing can be mounted here")


if __name__ == "__main__":
    serve(*sys.argv[1:])
