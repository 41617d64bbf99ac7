"""What the tests of the suite are given: the host under test, and rendezvous with its commands."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import agentsim.suite.hosts.containers
import agentsim.suite.hosts.mesos_module  # noqa: F401 - these make their kinds of hosts known
from agentsim.suite.hosts import probe_files
from agentsim.suite.hosts.kinds import KINDS, Host, Kind, Launch, Remote, Unsupported
from agentsim.suite.hosts.probe_files import Probes
from agentsim.suite.hosts.processes import wait_until
from agentsim.suite.tests.rendezvous import Rendezvous


def _remove(directory: Path) -> None:
    """Remove a directory in which a last command may just be leaving a file."""

    def removed() -> bool:
        shutil.rmtree(directory, ignore_errors=True)
        return not directory.exists()

    with contextlib.suppress(TimeoutError):
        wait_until(removed, 2)


@pytest.fixture(scope="session")
def kind(pytestconfig: pytest.Config) -> Iterator[Kind]:
    """The kind of host under test."""
    option = pytestconfig.option
    if "://" in option.abi_host:
        yield Remote(option.abi_deadline, option.abi_host, option.abi_host_pid, option.abi_host_log)
        return
    if option.abi_host not in KINDS:
        names = ", ".join(sorted(KINDS))
        raise pytest.UsageError(f"--abi-host {option.abi_host}: neither a URL nor one of {names}")
    kind = KINDS[option.abi_host](option.abi_deadline)
    try:
        kind.prepare()
    except Unsupported as reason:
        pytest.skip(str(reason))
    yield kind
    kind.close()


@pytest.fixture(scope="session")
def probes(kind: Kind) -> Iterator[Probes]:
    """The probe commands and tables of this session, where other users can read them."""
    directory = Path(tempfile.mkdtemp(prefix="abi-"))
    directory.chmod(0o755)
    yield probe_files.write(directory, kind.python)
    _remove(directory)


@pytest.fixture(scope="session")
def hosts(kind: Kind, probes: Probes) -> Iterator[list[Host]]:
    """The host that tests share: none or one."""
    shared: list[Host] = []
    yield shared
    for host in shared:
        host.stop()


@pytest.fixture
def host(kind: Kind, probes: Probes, hosts: list[Host]) -> Host:
    """The host under test, serving all probe tables."""
    if hosts and not hosts[0].running:
        hosts.pop().stop()
    if not hosts:
        hosts.append(kind.start(Launch(probes)))
    return hosts[0]


@pytest.fixture
def local(host: Host) -> Host:
    """The host under test; its commands share files and processes with the tests."""
    if not host.local:
        pytest.skip("the host's commands do not run on this machine")
    return host


@pytest.fixture
def pid(host: Host) -> int:
    """The process id of the host under test."""
    if host.pid is None:
        pytest.skip("the host's process id is not known (--abi-host-pid)")
    return host.pid


@pytest.fixture
def logged(host: Host) -> Host:
    """The host under test, its log at hand."""
    if host.log_file is None:
        pytest.skip("the host's log is not known (--abi-host-log)")
    return host


@pytest.fixture
def own_host(kind: Kind, probes: Probes) -> Iterator[Callable[..., Host]]:
    """Start hosts for this test alone: `own_host(spool_limit=1)`, what `Launch` has."""
    if not kind.starts:
        pytest.skip("a host that somebody else has started can't be started anew")
    started: list[Host] = []

    def start(**changes: Any) -> Host:
        try:
            started.append(kind.start(Launch(probes, **changes)))
        except Unsupported as reason:
            pytest.skip(str(reason))
        return started[-1]

    yield start
    for host in started:
        host.stop()


@pytest.fixture
def new_rendezvous(
    pytestconfig: pytest.Config, probes: Probes
) -> Iterator[Callable[[], Rendezvous]]:
    """Make rendezvous with commands that wait; `Rendezvous.dir` is what such a probe needs."""
    # A host in a container sees no other directory than that of the probes.
    directory = Path(tempfile.mkdtemp(prefix="meet-", dir=probes.directory))
    directory.chmod(0o755)
    numbers = itertools.count()
    made: list[Rendezvous] = []

    def new() -> Rendezvous:
        made.append(Rendezvous(directory / str(next(numbers)), pytestconfig.option.abi_deadline))
        return made[-1]

    yield new
    for rendezvous in made:
        rendezvous.dismiss()
    _remove(directory)


@pytest.fixture
def rendezvous(local: Host, new_rendezvous: Callable[[], Rendezvous]) -> Rendezvous:
    """A rendezvous with one command of the host under test."""
    return new_rendezvous()


@pytest.fixture
def request_id() -> str:
    """A request id that no other request has."""
    return f"abi-{os.urandom(8).hex()}"


@pytest.fixture
def tagged(request_id: str) -> list[tuple[str, str]]:
    """Headers that give a request that id."""
    return [("X-Request-Id", request_id)]


@pytest.fixture
def connect(host: Host) -> Iterator[Callable[[], Any]]:
    """Connections to the host under test that end with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(host.connect())
