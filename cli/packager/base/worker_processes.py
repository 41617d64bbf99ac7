"""Several packages at once, each in a process of its own.

What is slow (waiting for servers, hashing, decompressing, writing) then goes on side by side, on as
many processors as there are, and what ends one does not end the others. A worker tells its events
to the parent through a pipe; the parent alone speaks to whoever listens. No worker outlives the
parent: it is told to stop when that is, and dies when that is killed.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from packager.base.byte_output import encode, write_all
from packager.base.errors import PackagerError, from_os_error
from packager.base.event_pacing import PacedEvents
from packager.base.events import Emit, Field
from packager.base.process_exit import exits_within
from packager.base.stop_signals import signals_deferred

STOP_TIMEOUT_SECONDS = 10.0  # seconds that workers have to clean up when they are told to stop
PR_SET_PDEATHSIG = 1  # prctl(2)

Work = Callable[[int, Emit], dict[str, Field]]


@dataclass
class _Worker:
    number: int
    pid: int
    pipe: int
    unread: bytes = b""
    status: int | None = None  # once it has ended; minus the signal that ended it
    last: dict[str, Field] = field(default_factory=dict)


def run(
    ids: Sequence[str],
    work: Work,
    *,
    at_once: int,
    emit: Callable[[str, dict[str, Field]], None],
    done: str = "added",
) -> list[dict[str, Field]]:
    """Do `work(number, emit)` for each of `ids`, at most `at_once` at a time.

    `work` returns the fields of the event `done`. What a worker emits comes out of `emit(id,
    event's document)` here; its last event is `done`, or "failed" (error, exit_code). Returns the
    last events in the order of `ids`. Raises only what `emit` and signals raise.
    """
    results: dict[int, dict[str, Field]] = {}
    waiting = list(range(len(ids)))[::-1]
    running: dict[int, _Worker] = {}
    selector = selectors.DefaultSelector()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                _start(waiting.pop(), work, done, running, selector)
            for key, _ in selector.select():
                worker = running[key.fd]
                for document in _read(worker):
                    if document.get("event") in (done, "failed"):
                        worker.last = document
                    else:
                        emit(ids[worker.number], document)
                if worker.status is None:
                    continue
                selector.unregister(worker.pipe)
                os.close(worker.pipe)
                del running[worker.pipe]
                results[worker.number] = worker.last or _vanished(worker.status)
                emit(ids[worker.number], results[worker.number])
    finally:
        selector.close()
        _stop(list(running.values()))
    return [results[number] for number in range(len(ids))]


def _start(
    number: int,
    work: Work,
    done: str,
    running: dict[int, _Worker],
    selector: selectors.BaseSelector,
) -> None:
    reading, writing = os.pipe()
    parent = os.getpid()
    # What is told to stop between the fork and the bookkeeping would leave a worker behind. (Not
    # `held`: the worker, too, is not to be told before it is ready to be.)
    blocked = signal.pthread_sigmask(
        signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    )
    try:
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _work(parent, writing, blocked, number, work, done)
        os.close(writing)
        running[reading] = _Worker(number, pid, reading)
        selector.register(reading, selectors.EVENT_READ)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _work(
    parent: int, pipe: int, mask: set[int | signal.Signals], number: int, work: Work, done: str
) -> NoReturn:
    """The worker's whole life. It leaves by _exit: nothing of the parent's is its to clean up."""
    status = 70
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        emit = _writer(pipe)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if os.getppid() != parent:
            os._exit(status)
        try:
            emit(done, **work(number, emit))
            status = 0
        except (PackagerError, OSError) as error:
            known = from_os_error(error, "") if isinstance(error, OSError) else error
            emit("failed", error=str(known), exit_code=known.exit_code)
            status = known.exit_code
    except KeyboardInterrupt:
        status = 75
    except Exception:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def _writer(pipe: int) -> PacedEvents:
    """A worker's listener: writes to the pipe, no oftener than people and programs are told."""

    def write(document: dict[str, Field]) -> None:
        write_all(pipe, encode(json.dumps(document, ensure_ascii=False)) + b"\n")

    return PacedEvents(write)


def _read(worker: _Worker) -> list[dict[str, Field]]:
    """The events that came. At the end of them, the worker is waited for."""
    piece = os.read(worker.pipe, 65536)
    lines = (worker.unread + piece).split(b"\n")
    worker.unread = lines.pop()
    if not piece:
        with (
            signals_deferred()
        ):  # or it would be waited for again, or another process of its number told
            worker.status = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
    return [json.loads(line) for line in lines]


def _vanished(status: int) -> dict[str, Field]:
    """The last event of a worker that had no time for one."""
    how = f"was ended by signal {-status}" if status < 0 else "broke off"
    return {"event": "failed", "error": f"its process {how}", "exit_code": 70}


def _stop(workers: Sequence[_Worker]) -> None:
    """End what still runs: the parent is leaving, by a signal or because nobody listens."""
    left = [each for each in workers if each.status is None]
    for each in left:
        with suppress(ProcessLookupError):
            os.kill(each.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    for each in left:
        os.close(each.pipe)
        with suppress(ProcessLookupError, ChildProcessError):  # it was waited for already
            if not exits_within(each.pid, deadline - time.monotonic()):
                os.kill(each.pid, signal.SIGKILL)
            os.waitpid(each.pid, 0)
