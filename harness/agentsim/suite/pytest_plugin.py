"""What pytest needs to know of the contract suite: its options, its marker and its report."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from agentsim.suite.clauses import clauses
from agentsim.suite.exclusive_tests import MachineLock
from agentsim.suite.report import UNTESTED, Column, write

_PROPERTY = "abi-clauses"
_LOCK = pytest.StashKey[MachineLock]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("command ABI", "the contract suite of the command ABI")
    group.addoption(
        "--abi-host",
        default="simulator",
        metavar="KIND|URL",
        help="The host under test: a kind that the suite can start (simulator), or the URL of a"
        " running host that serves the probe tables (`agentsim probe-tables DIR` writes them).",
    )
    group.addoption(
        "--abi-host-pid",
        type=int,
        metavar="PID",
        help="Process id of a host given by its URL: tests look at its memory and descriptors.",
    )
    group.addoption(
        "--abi-host-log",
        type=Path,
        metavar="FILE",
        help="Log file of a host given by its URL: tests look for the outcome of invocations.",
    )
    group.addoption(
        "--abi-name", metavar="NAME", help="The host's name in the report (default: --abi-host)."
    )
    group.addoption(
        "--abi-report",
        type=Path,
        metavar="FILE",
        help="Write the table clause x host to FILE.json and FILE.md; columns of other hosts that"
        " FILE.json has already are kept.",
    )
    group.addoption(
        "--abi-deadline",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="How long a test waits for anything before it fails (default: 30).",
    )
    group.addoption(
        "--abi-requests",
        type=int,
        default=2000,
        metavar="N",
        help="Requests of the test for leaks (default: 2000; ABI-LOAD-6 speaks of 10000).",
    )
    group.addoption(
        "--abi-master",
        metavar="PROGRAM|docker",
        help="A mesos-master that the clauses of docs/master.md are held to as well, or `docker`"
        " for the one of the image for agents; the tests start it (default: only the simulated"
        " master).",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "clause(*ids): the clauses of docs/abi.md that a test proves"
    )
    config.addinivalue_line("markers", "alone: while this test runs, no other worker runs one")
    if hasattr(config, "workerinput"):
        config.stash[_LOCK] = MachineLock(config.workerinput["testrunuid"])
    else:
        config.pluginmanager.register(Reporter(config), "abi-reporter")


def pytest_unconfigure(config: pytest.Config) -> None:
    if lock := config.stash.get(_LOCK, None):
        lock.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test of a worker wait for its turn."""
    lock = item.config.stash.get(_LOCK, None)
    if lock is None:
        return (yield)
    with lock.hold(alone=item.get_closest_marker("alone") is not None):
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each report carry the clauses of its test; xdist's workers send nothing else home."""
    for item in items:
        named = [str(name) for mark in item.iter_markers("clause") for name in mark.args]
        unknown = [name for name in named if name not in clauses()]
        if unknown:
            raise pytest.UsageError(f"{item.nodeid}: there is no clause {', '.join(unknown)}")
        if named:
            item.user_properties.append((_PROPERTY, " ".join(named)))


class Reporter:
    """Collects the outcome of each clause.

    Args:
        config: of the run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._column = Column()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        for name, value in report.user_properties:
            if name == _PROPERTY:
                for clause in str(value).split():
                    self._column.add(clause, report.nodeid, report.outcome, _why(report))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Nothing failed is no success if nothing was tried: the host could not be started, say."""
        outcomes = {
            outcome for tests in self._column.tests.values() for outcome, _ in tests.values()
        }
        if exitstatus == pytest.ExitCode.OK and outcomes == {"skipped"}:
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._column.tests:
            return
        states = [self._column.state(clause) for clause in clauses()]
        terminalreporter.write_line(
            f"command ABI: of {len(states)} clauses {states.count('passed')} pass,"
            f" {states.count('failed')} fail, {states.count('skipped')} were skipped,"
            f" {states.count(UNTESTED)} were not tested"
        )
        file: Path | None = self._config.option.abi_report
        if file is not None:
            name = self._config.option.abi_name or self._config.option.abi_host
            write(file, name, self._column)
            terminalreporter.write_line(f"command ABI: report in {file.with_suffix('.md')}")


def _why(report: pytest.TestReport) -> str:
    """One line: the reason of a skip, or the error of a failure."""
    if report.outcome == "passed":
        return ""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr)
    line = next(iter(text.splitlines()), "")
    return line if len(line) <= 200 else line[:199] + "…"
