"""The clauses ABI-CMD, each held to one or more runs of a command.

A check yields findings: what it looked at, and whether that is kept, broken, or can't be told of
this route. It runs the command by `Subject`, which remembers the run as a host gives it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from os import EX_CONFIG, EX_DATAERR, EX_IOERR, EX_SOFTWARE, EX_TEMPFAIL
from typing import Final

from agentsim.core.status_names import EXIT_STATUSES, SYSEXITS
from agentsim.verify.command_runner import Run, Runner, Surroundings
from agentsim.verify.output_checks import (
    bad_lines,
    crash,
    printable,
    strict_json,
    terminal_tricks,
    words_around,
)
from agentsim.verify.sample_values import Sample

PASS, FAIL, NOT_APPLICABLE = "pass", "fail", "n/a"

#: What a run exits with that finds a state that is not sound.
_UNSOUND: Final = frozenset({EX_DATAERR, EX_SOFTWARE, EX_IOERR, EX_TEMPFAIL, EX_CONFIG})
_STDERR: Final = 4096
_UNKNOWN_OPTION: Final = b"--no-such-option-exists"
#: A run that is over sooner can't show whether it holds its output back.
_SLOW: Final = 1.0
_AT_ONCE: Final = 0.2
#: How long after the end of its grace a command may still be seen.
_SLACK: Final = 0.5


@dataclass(frozen=True, slots=True)
class Finding:
    """One judgement: the clause, what was looked at, on which route, the verdict, the reason."""

    clause: str
    check: str
    route: str
    verdict: str
    reason: str


class Subject:
    """A command at one route."""

    def __init__(self, runner: Runner, sample: Sample) -> None:
        self.runner = runner
        self.sample = sample
        self.route = sample.route
        self.usual = runner.run(sample)

    @cached_property
    def refused(self) -> Run:
        """A run with an option that there is not."""
        words, at = self.sample.arguments, _options_begin(self.sample)
        return self.runner.run(self.sample, None, (*words[:at], _UNKNOWN_OPTION, *words[at:]))

    def http_status(self, run: Run) -> int | None:
        """What a host answers for the exit code of a run; None if it did not exit."""
        if run.status is None or run.status < 0:
            return None
        return self.route.statuses.get(run.status) or EXIT_STATUSES.get(run.status, 500)

    def succeeded(self, run: Run) -> bool:
        """Whether a host answers with the output of a run."""
        return (self.http_status(run) or 500) < 400

    def failed_as_agreed(self, run: Run) -> bool:
        """Whether a run failed with an exit code of sysexits.h, or one that the route names."""
        agreed = run.status in SYSEXITS or run.status in self.route.statuses
        return agreed and not self.succeeded(run)

    @property
    def takes_body(self) -> bool:
        return self.route.stdin == "body"

    def run(self, **how: object) -> Run:
        return self.runner.run(self.sample, Surroundings(**how))  # type: ignore[arg-type]


_Judgement = tuple[str, str, str]
_Check = Callable[[Subject], Iterator[_Judgement]]


def verify(runner: Runner, sample: Sample) -> Iterator[Finding]:
    """All findings about one route.

    Raises:
        OSError: the command can't be started.
    """
    subject = Subject(runner, sample)
    place = f"{sample.route.methods[0]} /{sample.route.process}{sample.route.path}"
    for clause, check in _CHECKS:
        for name, verdict, reason in check(subject):
            yield Finding(clause, name, place, verdict, reason)


def _verdict(good: bool, reason: str) -> tuple[str, str]:
    return (PASS, "") if good else (FAIL, reason)


# -- ABI-CMD-1: data on stdout and nothing else ------------------------------------------------


def _only_data(subject: Subject) -> Iterator[_Judgement]:
    name = "only data on stdout"
    output, kind = subject.usual.stdout, subject.route.type
    words = None
    if kind == "application/json" and not _is_json(output):
        words = words_around(output) if output or subject.succeeded(subject.usual) else None
    elif kind == "application/x-ndjson":
        lines = [
            line for line in output.split(b"\n") if line and not line.lstrip().startswith(b"{")
        ]
        words = lines[0].decode("utf-8", "replace") if lines else None
    elif kind != "application/json":
        yield name, NOT_APPLICABLE, f"in {kind} everything is data"
        return
    yield name, *_verdict(words is None, f"it wrote words there: {printable(words or '')}")


def _is_json(output: bytes) -> bool:
    try:
        strict_json(output)
    except ValueError:
        return False
    return True


# -- ABI-CMD-2: 0 on success, sysexits otherwise -----------------------------------------------


def _exit_codes(subject: Subject) -> Iterator[_Judgement]:
    usual = subject.usual
    name = "exit code of sysexits.h, or of the route's statuses"
    agreed = subject.succeeded(usual) or subject.failed_as_agreed(usual)
    yield name, *_verdict(agreed, usual.ending)
    name = "bad input is told by the exit code"
    run = subject.refused
    text = f"with {_UNKNOWN_OPTION.decode()}, an option that there is not, {run.ending}"
    yield name, *_verdict(subject.failed_as_agreed(run), text)


def _options_begin(sample: Sample) -> int:
    """Behind the words that come first: `packager add` knows other options than `packager`."""
    for index, word in enumerate(sample.arguments):
        if word.startswith(b"-"):
            return index
    return len(sample.arguments)


_LOSSES: Final = (
    ("a full disk is an error", "full"),
    ("a reader that has gone is an error", "gone"),
    ("a closed stdout is an error", "closed"),
)


def _lost_output(subject: Subject) -> Iterator[_Judgement]:
    if not subject.usual.stdout:
        for name, _ in _LOSSES:
            yield name, NOT_APPLICABLE, "it wrote nothing to stdout"
        return
    for name, kind in _LOSSES:
        run = subject.run(stdout=kind)
        if subject.succeeded(run) and kind == "closed" and run.stdout_at_exit == os.devnull:
            yield name, NOT_APPLICABLE, f"its runtime opened {os.devnull} in place of it"
        elif subject.succeeded(run) and kind == "closed" and run.stdout_at_exit is None:
            yield name, NOT_APPLICABLE, "what its runtime put in place of it can't be seen here"
        elif subject.succeeded(run):
            yield name, FAIL, f"{run.ending} though its output was lost"
        elif run.status is None:
            yield name, FAIL, run.ending
        elif (word := crash(run.stderr)) is not None:
            yield name, FAIL, f"it crashed: {word}"
        else:
            killed = kind == "gone" and run.status == -signal.SIGPIPE
            yield name, *_verdict(killed or subject.failed_as_agreed(run), run.ending)


# -- ABI-CMD-3: everything after -- is an operand ----------------------------------------------


def _operands(subject: Subject) -> Iterator[_Judgement]:
    name = "what follows -- is an operand"
    sample = subject.sample
    if sample.operands == len(sample.arguments):
        yield name, NOT_APPLICABLE, "the route passes none"
        return
    before, behind = sample.arguments[: sample.operands - 1], sample.arguments[sample.operands :]
    as_option = subject.runner.run(sample, None, (*before, b"--help"))
    as_operand = subject.runner.run(sample, None, (*before, b"--", b"--help", *behind[1:]))
    if (as_option.stdout, as_option.stderr) == (subject.usual.stdout, subject.usual.stderr):
        yield name, NOT_APPLICABLE, "it has no --help to take an operand for"
        return
    helped = as_operand.stdout == as_option.stdout and as_option.stdout != b""
    helped = helped or (as_operand.stderr == as_option.stderr and as_option.stderr != b"")
    same = helped and as_operand.status == as_option.status
    yield name, *_verdict(not same, "it took --help behind -- for an option")


# -- ABI-CMD-4: no prompt, pager, colour, progress without a terminal --------------------------


def _no_terminal(subject: Subject) -> Iterator[_Judgement]:
    name = "nothing for a terminal where there is none"
    for stream in ("stdout", "stderr"):
        tricks = terminal_tricks(getattr(subject.usual, stream))
        if tricks is not None and (stream == "stderr" or subject.route.type.startswith("appl")):
            yield name, FAIL, f"{tricks} on {stream}"
            break
    else:
        yield name, PASS, ""
    name = "it asks nothing"
    if subject.takes_body:
        yield name, NOT_APPLICABLE, "its standard input is the request body"
        return
    run = subject.run(stdin="open")
    text = "it waits for its standard input, as for an answer to a question"
    yield name, *_verdict(run.status is not None or subject.usual.status is None, text)


# -- ABI-CMD-5: well-formed JSON ---------------------------------------------------------------


def _well_formed(subject: Subject) -> Iterator[_Judgement]:
    name = "well-formed output"
    output, kind = subject.usual.stdout, subject.route.type
    if kind == "application/x-ndjson":
        problems = bad_lines(output)
        yield name, *_verdict(not problems, "; ".join(problems[:3]))
    elif kind == "application/json":
        if not output and not subject.succeeded(subject.usual):
            yield name, NOT_APPLICABLE, f"{subject.usual.ending} and wrote no document"
            return
        try:
            strict_json(output)
            yield name, PASS, ""
        except ValueError as error:
            yield name, FAIL, f"no JSON document: {error}; it begins with {printable(output)}"
    else:
        yield name, NOT_APPLICABLE, f"the route's type is {kind}"


# -- ABI-CMD-6: events when they happen --------------------------------------------------------


def _flushed(subject: Subject) -> Iterator[_Judgement]:
    name = "events come when they happen"
    usual = subject.usual
    if subject.route.delivery != "stream":
        yield name, NOT_APPLICABLE, "the route delivers its output as a whole"
    elif usual.first_output is None:
        yield name, NOT_APPLICABLE, "it wrote nothing to stdout"
    elif usual.seconds < _SLOW:
        text = f"first event after {usual.first_output:.3f} s, the end after {usual.seconds:.3f} s"
        yield name, NOT_APPLICABLE, f"too fast to tell: {text}"
    else:
        delayed = usual.seconds - usual.first_output < _AT_ONCE and usual.stdout.count(b"\n") > 1
        text = f"all came at the end, after {usual.seconds:.3f} s: is its output buffered?"
        verdict, reason = _verdict(not delayed, text)
        yield name, verdict, reason or f"first event after {usual.first_output:.3f} s"


# -- ABI-CMD-7: SIGTERM and SIGKILL ------------------------------------------------------------


def _signals(subject: Subject) -> Iterator[_Judgement]:
    for number, name in (
        (signal.SIGTERM, "SIGTERM ends it, the next run works"),
        (signal.SIGKILL, "after SIGKILL the next run works"),
    ):
        yield name, *_after_signal(subject, number)


def _after_signal(subject: Subject, number: signal.Signals) -> tuple[str, str]:
    grace = subject.route.grace
    reached = 0
    # At once, early, in the middle: never after what a run takes when it is left alone.
    for moment in (0.0, min(0.03, subject.usual.seconds / 2), subject.usual.seconds / 2):
        run = subject.run(signals=((moment, number),))
        if run.signalled is not None:
            reached += 1
            if run.status is None or run.seconds - run.signalled > grace + _SLACK:
                return FAIL, f"it went on after {number.name} for longer than its grace, {grace} s"
        again = subject.run()
        sound = subject.succeeded(again) or subject.failed_as_agreed(again)
        if subject.succeeded(subject.usual) and again.status not in subject.route.statuses:
            sound = sound and again.status not in _UNSOUND
        if not sound:
            return FAIL, f"in the run after that, {again.ending}: {printable(again.stderr)}"
    return PASS, "" if reached else "each run was over before the signal"


# -- ABI-CMD-8: why it failed ------------------------------------------------------------------


def _reasons(subject: Subject) -> Iterator[_Judgement]:
    name = "a failure is explained on stderr"
    usual = subject.usual
    if subject.succeeded(usual):
        usual = subject.refused
    if subject.succeeded(usual) or usual.status is None:
        yield name, NOT_APPLICABLE, "no run failed"
    elif (word := crash(usual.stderr)) is not None:
        yield name, FAIL, f"it crashed: {word}"
    elif not usual.stderr[-_STDERR:].strip():
        yield name, FAIL, f"{usual.ending} and said nothing"
    else:
        try:
            usual.stderr.decode("utf-8")
            yield name, PASS, ""
        except UnicodeDecodeError:
            yield name, FAIL, f"stderr is not UTF-8: {printable(usual.stderr)}"


# -- ABI-CMD-9: nothing goes on after the end --------------------------------------------------


def _nothing_left(subject: Subject) -> Iterator[_Judgement]:
    left = subject.usual.left_behind
    text = f"{left} of its processes lived on after its end"
    yield "it leaves no process behind", *_verdict(left == 0, text)


# -- ABI-CMD-10: bare surroundings -------------------------------------------------------------


def _bare(subject: Subject) -> Iterator[_Judgement]:
    usual = subject.usual
    name = "it ends in a host's surroundings"
    text = f"it did not end within {subject.runner.timeout(subject.route):g} s"
    yield name, *_verdict(usual.status is not None, text)
    for name, variables in (
        ("it needs no home", {"HOME": "/nonexistent", "TMPDIR": "/tmp"}),  # noqa: S108
        ("it needs no UTF-8 locale", {"LANG": "C", "LC_ALL": "C"}),
    ):
        yield name, *_alike(subject, subject.run(variables=variables))
    name = "it needs no standard input"
    if subject.takes_body:
        yield name, NOT_APPLICABLE, "its standard input is the request body"
    else:
        yield name, *_alike(subject, subject.run(stdin="closed"))


def _alike(subject: Subject, run: Run) -> tuple[str, str]:
    """Whether a run ended as the usual one, or as one that finds the work done already."""
    usual = subject.usual
    if (word := crash(run.stderr)) is not None and crash(usual.stderr) is None:
        return FAIL, f"it crashed: {word}"
    done_already = subject.succeeded(usual) and subject.http_status(run) in (404, 409)
    changed = run.status != usual.status and not done_already
    return _verdict(not changed, f"{run.ending}, otherwise {usual.ending}: {printable(run.stderr)}")


_CHECKS: Final[tuple[tuple[str, _Check], ...]] = (
    ("ABI-CMD-1", _only_data),
    ("ABI-CMD-2", _exit_codes),
    ("ABI-CMD-2", _lost_output),
    ("ABI-CMD-3", _operands),
    ("ABI-CMD-4", _no_terminal),
    ("ABI-CMD-5", _well_formed),
    ("ABI-CMD-6", _flushed),
    ("ABI-CMD-7", _signals),
    ("ABI-CMD-8", _reasons),
    ("ABI-CMD-9", _nothing_left),
    ("ABI-CMD-10", _bare),
)
