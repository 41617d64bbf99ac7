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
import time
from typing import TYPE_CHECKING, NoReturn

from packager.base.byte_output import write_all
from packager.base.errors import DataError
from packager.base.stop_signals import signals_deferred

from provisioner.desired.template_rendering import (
    MAX_MEMORY_BYTES,
    make_environment,
    render_template,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provisioner.desired.template_rendering import Rendering, Template, TemplateVariables

MAX_CPU_SECONDS = 3  # for all templates of a profile
MAX_WALL_SECONDS = 30.0
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
    stops = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, stops)
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
    """All that the process writes, and whether it has ended in time."""
    output = bytearray()
    deadline = time.monotonic() + MAX_WALL_SECONDS
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
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
    if not in_time or status == -signal.SIGXCPU:
        raise DataError(
            f"{here}: rendering it takes longer than {MAX_CPU_SECONDS} s; is it endless?"
        )
    raise DataError(f"{here}: rendering it failed (its process ended with {status})")


def _render_and_exit(
    parent: int,
    pipe: int,
    mask: set[int | signal.Signals],
    templates: Sequence[Template],
    variables: TemplateVariables,
) -> NoReturn:
    """What the process does. It ends by _exit, since the parent cleans up what is its own."""
    try:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        _set_limits()
        environment = make_environment()
        for template in templates:
            rendering = render_template(environment, template, variables)
            write_all(pipe, json.dumps(rendering).encode() + b"\n")
            if "error" in rendering:
                break
    finally:
        os._exit(0)


def _set_limits() -> None:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MAX_MEMORY_BYTES, used + MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it would contain the secrets
