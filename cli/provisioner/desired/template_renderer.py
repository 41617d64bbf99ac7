"""Templates become files: Jinja2, sandboxed, in a process of its own.

The library's sandbox (see `templates`) keeps a template from attributes that lead out of it. No
sandbox stops `10 ** 10 ** 9`; so the templates are rendered in a forked process with limits on
memory and processor time, which writes no file and has nothing to say but its result.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import time
from typing import TYPE_CHECKING, NoReturn

from packager.base.byte_output import write_all
from packager.base.errors import DataError
from packager.base.stop_signals import signals_deferred

from provisioner.desired.templates import MEMORY, Names, Template, make_environment, render_one

if TYPE_CHECKING:
    from collections.abc import Sequence

CPU_SECONDS = 3  # for all templates of a profile
WALL_SECONDS = 30.0
PR_SET_PDEATHSIG = 1  # prctl(2)


class Result:
    """What became of a template: its text, whether it has seen a secret, the facts it has used."""

    __slots__ = ("facts", "secret", "text")

    def __init__(self, text: str, secret: bool, facts: list[str]) -> None:
        self.text = text
        self.secret = secret
        self.facts = facts  # names


def render(templates: Sequence[Template], names: Names) -> list[Result]:
    """Render the templates, in order. Raises DataError naming template, line and reason."""
    if not templates:
        return []
    reading, writing = os.pipe()
    parent = os.getpid()
    # What is told to stop between the fork and the bookkeeping would leave a process behind.
    stops = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    pid, status = 0, 0
    try:
        try:
            pid = os.fork()
            if pid == 0:
                os.close(reading)
                _work(parent, writing, blocked, templates, names)
        finally:
            os.close(writing)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        said, in_time = _hear(reading)
    finally:
        with signals_deferred():
            os.close(reading)
            if pid:
                os.kill(pid, signal.SIGKILL)  # its end is all that is awaited of it
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return _judge(said, status, in_time, templates)


def _hear(pipe: int) -> tuple[bytes, bool]:
    """All that the process says, and whether it was done in time."""
    said = bytearray()
    deadline = time.monotonic() + WALL_SECONDS
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            return bytes(said), False
        piece = os.read(pipe, 1 << 16)
        if not piece:
            return bytes(said), True
        said += piece


def _judge(said: bytes, status: int, in_time: bool, templates: Sequence[Template]) -> list[Result]:
    results = []
    lines = said.split(b"\n")
    for line in lines[:-1]:
        told = json.loads(line)
        if "error" in told:
            raise DataError(told["error"])
        results.append(Result(told["text"], told["secret"], told["facts"]))
    if len(results) == len(templates):
        return results
    here = templates[len(results)].place
    if not in_time or status == -signal.SIGXCPU:
        raise DataError(f"{here}: rendering it takes longer than {CPU_SECONDS} s; is it endless?")
    raise DataError(f"{here}: rendering it failed (its process ended with {status})")


def _work(
    parent: int,
    pipe: int,
    mask: set[int | signal.Signals],
    templates: Sequence[Template],
    names: Names,
) -> NoReturn:
    """The process's whole life. It leaves by _exit: nothing of the parent's is its to clean up."""
    try:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        _limit()
        environment = make_environment()
        for template in templates:
            told = render_one(environment, template, names)
            _say(pipe, told)
            if "error" in told:
                break
    finally:
        os._exit(0)


def _limit() -> None:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        there = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (there + MEMORY, there + MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it would hold the secrets


def _say(pipe: int, told: dict[str, object]) -> None:
    write_all(pipe, json.dumps(told).encode() + b"\n")
