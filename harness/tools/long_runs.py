"""What takes too long for every run of the tests: what `nox -s long` does.

Each part is a program that runs with its output on the terminal. At the end there is a table of
what ran, with the number of tests that passed, failed and were skipped, and then the reasons of all
that was skipped. A part that this machine lacks something for is skipped with the reason.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

TREE: Final = Path(__file__).resolve().parents[2]
REPORTS: Final = TREE / "build" / "long"
#: Of the contract's test for leaks (ABI-LOAD-6).
REQUESTS: Final = 10_000
#: pytest's exit status when no test was selected, or all were skipped.
NO_TESTS: Final = 5


@dataclass(frozen=True)
class Part:
    """One of the long runs.

    Attributes:
        title: what it proves.
        command: what is run.
        lack: why it can't be run on this machine; empty if it can.
        tests: whether it is a pytest, whose tests are counted.
    """

    title: str
    command: Sequence[str]
    lack: Callable[[], str]
    tests: bool = False


@dataclass
class Outcome:
    """What became of a part.

    Attributes:
        state: `passed`, `failed`, `skipped`.
        counts: tests by their outcome, of the same words; empty if they are not counted.
        reasons: why tests, or all of the part, were skipped; how often.
        seconds: how long it took.
    """

    state: str
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: float = 0


def needs_nothing() -> str:
    """Nothing is lacking."""
    return ""


def needs_variables(*names: str) -> Callable[[], str]:
    """The environment names what is to be tested."""

    def lack() -> str:
        missing = [name for name in names if name not in os.environ]
        return f"{' and '.join(missing)} not set (docs/module.md)" if missing else ""

    return lack


def needs_programs(*names: str) -> Callable[[], str]:
    """Programs are on the PATH."""

    def lack() -> str:
        missing = [name for name in names if not shutil.which(name)]
        return f"not installed: {', '.join(missing)}" if missing else ""

    return lack


def needs_engine() -> str:
    """A Docker engine answers."""
    from agentsim.containers import engine

    try:
        engine.connect().close()
    except engine.NoEngine as reason:
        return str(reason)
    return ""


def _suite(kind: str) -> list[str]:
    options = [f"--abi-host={kind}", f"--abi-requests={REQUESTS}", f"--abi-report={REPORTS}/hosts"]
    return [sys.executable, "-m", "agentsim", "suite", "-n2", "-ra", *options]


def _nox(session: str, *words: str) -> list[str]:
    nox = [sys.executable, "-I", "-m", "nox", "--noxfile", str(TREE / "noxfile.py")]
    return [*nox, "--no-venv", "--no-install", "--session", session, "--", *words]


PARTS: Final = {
    "tests": Part(
        "tests marked `long`",
        [
            sys.executable,
            "-m",
            "pytest",
            "-m",
            "long",
            "--timeout=0",
            "-n",
            "auto",
            "--maxprocesses=8",
        ],
        needs_nothing,
        tests=True,
    ),
    "module": Part(
        "the contract, of the module on libprocess",
        _suite("module"),
        needs_variables("ABI_MODULE_BUILD"),
        tests=True,
    ),
    "agent": Part(
        "the contract, of a Mesos agent with the module",
        _suite("agent"),
        needs_variables("ABI_MODULE_BUILD", "ABI_MESOS_AGENT"),
        tests=True,
    ),
    "containers": Part("images, hosts in them, kills and faults", _nox("docker"), needs_engine),
    "sanitize": Part(
        "the C++ core under sanitizers, and a fuzzer for ten minutes",
        _nox("sanitize", "600"),
        needs_programs("clang++", "cmake"),
    ),
}


def run(name: str, part: Part) -> Outcome:
    """Run a part to its end."""
    if lack := part.lack():
        return Outcome("skipped", reasons=Counter([lack]))
    report = REPORTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    counted = [f"--junitxml={report}"] if part.tests else []
    print(f"\n== {name}: {part.title}", flush=True)
    started = time.monotonic()
    status = subprocess.run([*part.command, *counted], cwd=TREE, check=False).returncode
    outcome = read_report(report) if part.tests and report.exists() else Outcome("passed")
    outcome.seconds = time.monotonic() - started
    if status == NO_TESTS and part.tests:
        outcome.state = "skipped"
        if not outcome.reasons:
            outcome.reasons["there are no such tests"] = 1
    elif status != 0:
        outcome.state = "failed"
    return outcome


def read_report(file: Path) -> Outcome:
    """Count the tests of a JUnit report, as pytest writes it."""
    outcome = Outcome("passed")
    for case in ET.parse(file).iter("testcase"):  # noqa: S314 - of a pytest that was run here
        state = "passed"
        for child in case:
            if child.tag in ("failure", "error"):
                state = "failed"
            elif child.tag == "skipped" and state == "passed":
                state = "skipped"
                outcome.reasons[child.get("message", "")] += 1
        outcome.counts[state] += 1
    return outcome


def table(outcomes: Iterable[tuple[str, Outcome]]) -> str:
    """Markdown: a row for each part, then what was skipped and why."""
    outcomes = list(outcomes)
    lines = [
        "| part | what | outcome | passed | failed | skipped | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, outcome in outcomes:
        states = ("passed", "failed", "skipped")
        numbers = [str(outcome.counts[state]) if outcome.counts else "" for state in states]
        cells = [name, PARTS[name].title, outcome.state, *numbers, f"{outcome.seconds:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    reasons = [
        f"- {name}: {reason} ({count})"
        for name, outcome in outcomes
        for reason, count in outcome.reasons.most_common()
    ]
    return "\n".join([*lines, *(["", "Skipped, and why:", "", *reasons] if reasons else [])])


def main() -> int:
    """Run the command line.

    Returns:
        0 if something ran and nothing failed, 1 if something failed, 5 if nothing could be run.
    """
    titles = "\n".join(f"  {name:<11} {part.title}" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="nox -s long --",
        description=f"Run what takes too long for every run of the tests:\n{titles}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="which of these; default: all")
    names = parser.parse_args().parts or list(PARTS)
    for name in names:
        if name not in PARTS:
            parser.error(f"no part {name!r}; there are: {', '.join(PARTS)}")
    REPORTS.mkdir(parents=True, exist_ok=True)
    outcomes: list[tuple[str, Outcome]] = []
    try:
        for name in names:
            outcomes.append((name, run(name, PARTS[name])))
    finally:
        print(f"\n{table(outcomes)}", flush=True)
    states = [outcome.state for _, outcome in outcomes]
    if "failed" in states:
        return 1
    return 0 if "passed" in states else NO_TESTS


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
