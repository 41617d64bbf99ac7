"""Renders templates in a process of its own, with limits.

The library's sandbox (see `template_rendering`) keeps a template from attributes that lead out of
it. No sandbox stops `10 ** 10 ** 9`; so the templates are rendered in a forked process with limits
on memory and processor time, which writes no file and only sends its results.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
from typing import TYPE_CHECKING, NoReturn

from packager.base.byte_output import write_all
from packager.base.errors import DataError
from packager.base.stop_signals import signals_deferred

from provisioner.base.core_dumps import forbid_core_dumps
from provisioner.desired.template_environment import make_environment
from provisioner.desired.template_errors import MAX_MEMORY_BYTES
from provisioner.desired.template_rendering import render_template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provisioner.desired.template_rendering import Rendering, Template, TemplateVariables

MAX_CPU_SECONDS = 3  # of one template
MAX_CPU_SECONDS_IN_ALL = 300  # of all templates of a profile
MAX_WALL_SECONDS = 120.0  # of one template, on a host that has no time for it
STOPS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
LIMITS = {signal.SIGPROF, signal.SIGXCPU}  # how a process ends that has used up its time
PR_SET_PDEATHSIG = 1  # prctl(2)


class RenderedTemplate:
    """secret: whether the template has read a secret. facts: the names of those it has read."""

    __slots__ = ("facts", "secret", "text")

    def __init__(self, text: str, secret: bool, facts: list[str]) -> None:
        self.text = text
        self.secret = secret
        self.facts = facts


def render_templates(
    templates: Sequence[Template], variables: TemplateVariables
) -> list[RenderedTemplate]:
    """Render the templates, in order. Raises DataError naming template, line and reason."""
    if not templates:
        return []
    reading, writing = os.pipe()
    parent = os.getpid()
    # A signal between the fork and its bookkeeping would leave a process behind.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    pid, status = 0, 0
    try:
        try:
            pid = os.fork()
            if pid == 0:
                os.close(reading)
                _render_and_exit(parent, writing, blocked, templates, variables)
        finally:
            os.close(writing)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        output, in_time = _read_results(reading)
    finally:
        with signals_deferred():
            os.close(reading)
            if pid:
                os.kill(pid, signal.SIGKILL)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return _results(output, status, in_time, templates)


def _read_results(pipe: int) -> tuple[bytes, bool]:
    """All that the process writes, and whether each piece of it came in time."""
    output = bytearray()
    while True:
        if not select.select([pipe], [], [], MAX_WALL_SECONDS)[0]:
            return bytes(output), False
        piece = os.read(pipe, 1 << 16)
        if not piece:
            return bytes(output), True
        output += piece


def _results(
    output: bytes, status: int, in_time: bool, templates: Sequence[Template]
) -> list[RenderedTemplate]:
    results: list[RenderedTemplate] = []
    lines = output.split(b"\n")
    for line in lines[:-1]:
        rendering: Rendering = json.loads(line)
        if "error" in rendering:
            raise DataError(rendering["error"])
        results.append(RenderedTemplate(rendering["text"], rendering["secret"], rendering["facts"]))
    if len(results) == len(templates):
        return results
    here = templates[len(results)].place
    raise DataError(f"{here}: {_reason_of_end(status, in_time)}")


def _reason_of_end(status: int, in_time: bool) -> str:
    if not in_time:
        return (
            f"it was not rendered within {MAX_WALL_SECONDS:g} s, with less than {MAX_CPU_SECONDS} "
            "s of processor time: this host is too busy; try again"
        )
    if status == -signal.SIGPROF:
        return (
            f"rendering it takes more than {MAX_CPU_SECONDS} s of processor time, which is the "
            "limit of one template; is it endless?"
        )
    if status == -signal.SIGXCPU:
        return (
            f"rendering all templates takes more than {MAX_CPU_SECONDS_IN_ALL} s of processor "
            "time, which is the limit of a profile: make them simpler, or fewer"
        )
    return f"rendering it failed (its process ended with {status})"


def _render_and_exit(
    parent: int,
    pipe: int,
    mask: set[int | signal.Signals],
    templates: Sequence[Template],
    variables: TemplateVariables,
) -> NoReturn:
    """What the process does. It ends by _exit, since the parent cleans up what is its own."""
    try:
        for each in (*STOPS, *LIMITS):
            signal.signal(each, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask - LIMITS)
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        _set_limits()
        environment = make_environment()
        for template in templates:
            signal.setitimer(signal.ITIMER_PROF, MAX_CPU_SECONDS)
            rendering = render_template(environment, template, variables)
            write_all(pipe, json.dumps(rendering).encode() + b"\n")
            if "error" in rendering:
                break
    finally:
        os._exit(0)


def _set_limits() -> None:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        used = int(file.read().split()[0]) * resource.getpagesize()
    _limit(resource.RLIMIT_AS, used + MAX_MEMORY_BYTES)
    _limit(resource.RLIMIT_CPU, MAX_CPU_SECONDS_IN_ALL)
    _limit(resource.RLIMIT_FSIZE, 0)
    forbid_core_dumps()  # it has the secrets in its memory


def _limit(kind: int, most: int) -> None:
    """Set a limit of this process, unless it has a lower one that it may not raise."""
    hard = resource.getrlimit(kind)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most if kind != resource.RLIMIT_CPU else hard))
