"""The kinds of hosts that can be put under test.

`--abi-host` names a kind, or is the URL of a host that somebody else has started. A new kind is a
subclass of `Kind` that is given to `register`; if it is a program on this machine, of
`ProgramKind`, which needs to know no more than its command line and what it says when it is ready.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from agentsim.suite.hosts.http_client import Connection, Headers, Query, Response, query_string
from agentsim.suite.hosts.probe_files import ENVIRONMENT, Probes
from agentsim.suite.hosts.processes import wait_until

START_SECONDS = 60.0
# A user that has no processes, not even those of another run of the suite at the same time: limits
# on their number count per user, and not for root.
NOBODYS_USER = 20000 + os.getpid() % 40000


class Unsupported(Exception):
    """This kind of host can't be put into that state; the text says why. Tests are skipped."""


class DidNotStart(Exception):
    """A host ended, or said nothing, instead of serving; the text is what it wrote."""


@dataclass(frozen=True)
class Launch:
    """How a host is to be started.

    Attributes:
        probes: the probe commands; all their tables are served unless `tables` says otherwise.
        tables: what to serve instead.
        guarded: whether the host has the credentials of the probes.
        opened: whether its operator has opened it to everybody, where it has none.
        environment: the host's own entries for its commands' environments.
        port: where to listen; 0 for a free one.
        spool_limit: MiB on disk at the most; None: as the host has it.
        open_files: descriptors of the host at the most.
        processes: processes that the host's user may have, the host and its threads included.
        ballast: MiB of memory that the host holds beside its own.
        clock: a file; as long as it exists, the system's clock seems to be a day ahead.
        unprivileged: whether the host is a user who may not signal others' processes, while its
            commands may become other users.
        forks: whether the host forks all the time, without executing a program, as an agent does
            that launches containers; it writes `forks: NUMBER` into its log now and then, and
            `fork PID …` of one that has a pipe of a command or was killed.
    """

    probes: Probes
    tables: Sequence[Path] = ()
    guarded: bool = True
    opened: bool = False
    environment: Mapping[str, str] = field(default_factory=lambda: ENVIRONMENT)
    port: int = 0
    spool_limit: int | None = None
    open_files: int | None = None
    processes: int | None = None
    ballast: int = 0
    clock: Path | None = None
    unprivileged: bool = False
    forks: bool = False


class Host:
    """A host under test.

    Args:
        address: where it listens.
        deadline: seconds that a test waits for anything.
        pid: its process id on this machine, None if that is not known.
        local: whether its commands see the files and the processes of this machine.
        log_file: what it writes about its work, None if that is not known.
        spool: the directory for its large bodies and outputs, None if that is not known.
        program: the running program, if the suite has started it.
    """

    def __init__(
        self,
        address: tuple[str, int],
        deadline: float,
        *,
        pid: int | None = None,
        local: bool = True,
        log_file: Path | None = None,
        spool: Path | None = None,
        program: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self.address = address
        self.deadline = deadline
        self.pid = pid
        self.local = local
        self.log_file = log_file
        self.spool = spool
        self._program = program

    # -- talking to it ------------------------------------------------------------------------

    def connect(self) -> Connection:
        """A new connection."""
        return Connection(self.address, self.deadline)

    def ask(
        self,
        method: str,
        path: str,
        query: Query = (),
        headers: Headers = (),
        body: bytes | None = None,
    ) -> Response:
        """One request on a connection of its own, and its answer."""
        started = time.monotonic()
        with self.connect() as connection:
            connection.request(method, path + query_string(query), headers, body)
            answer = connection.response()
        return Response(answer.head, answer.body, answer.chunks, time.monotonic() - started)

    def get(self, path: str, query: Query = (), headers: Headers = ()) -> Response:
        """GET, and its answer."""
        return self.ask("GET", path, query, headers)

    def post(
        self, path: str, body: bytes = b"", query: Query = (), headers: Headers = ()
    ) -> Response:
        """POST, and its answer."""
        return self.ask("POST", path, query, headers, body)

    def process(self, reported: str) -> int:
        """The process id, here, of a command that told the one that it has for itself.

        Raises:
            ProcessLookupError: there is no such process any more.
        """
        return int(reported)

    def log(self) -> str:
        """What it has written about its work so far."""
        assert self.log_file is not None
        return self.log_file.read_text("utf-8", "replace")

    # -- ending it ----------------------------------------------------------------------------

    @property
    def started_here(self) -> bool:
        """Whether the suite has started it, with all that a `Launch` says."""
        return self._program is not None

    @property
    def running(self) -> bool:
        """Whether it still runs, as far as that can be told."""
        return self._program is None or self._program.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._program is not None
        self._program.send_signal(number)

    def wait(self) -> int:
        """Wait for its end; its exit code, or the negative number of a signal."""
        assert self._program is not None
        return self._program.wait(self.deadline)

    def stop(self) -> None:
        """End it; safe to be called again."""
        if self._program is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._program.terminate()
        try:
            self._program.wait(self.deadline)
        except subprocess.TimeoutExpired:
            self._program.kill()
            self._program.wait()


class Kind(ABC):
    """A kind of host.

    Args:
        deadline: seconds that a test waits for anything.
    """

    name: ClassVar[str]
    #: Whether a test can have a host of its own, in the state that it needs.
    starts: ClassVar[bool] = True
    #: Beginnings of paths that it answers itself, besides those of every libprocess.
    own_paths: ClassVar[tuple[str, ...]] = ()
    #: A Python that the host's commands can run.
    python: ClassVar[str] = sys.executable

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline

    def prepare(self) -> None:  # noqa: B027 - most kinds need nothing
        """Find what every start needs; called once, before anything else.

        Raises:
            Unsupported: it is not there.
        """

    def close(self) -> None:  # noqa: B027 - most kinds hold nothing
        """Give back what `prepare` took; called once, after everything else."""

    @abstractmethod
    def start(self, launch: Launch) -> Host:
        """Start a host.

        Raises:
            Unsupported: not in this way.
            DidNotStart: it ended instead.
        """

    def check(self, tables: Sequence[Path]) -> list[str]:
        """What a host says of each of some tables; an empty text if it would serve it.

        A line for each mistake: file, place and reason, with a colon and a blank between them.

        Raises:
            Unsupported: there is no way to find out.
        """
        raise Unsupported(f"{self.name}: nobody can be asked what it thinks of a table")


class ProgramKind(Kind):
    """A host that is a program on this machine."""

    #: Found in what the program writes once it serves; the groups are its address and port.
    ready: ClassVar[re.Pattern[str]] = re.compile(r" on http://([^:/\s]+):(\d+)")

    @abstractmethod
    def command(self, launch: Launch, spool: Path) -> list[str]:
        """The command line.

        Raises:
            Unsupported: there is none for such a launch.
        """

    def start(self, launch: Launch) -> Host:
        """Start the program, and wait until it serves; it ends with the suite at the latest."""
        directory = Path(tempfile.mkdtemp(prefix="host-", dir=launch.probes.directory))
        directory.chmod(0o755)
        spool, log_file = directory / "spool", directory / "log"
        spool.mkdir()
        spool.chmod(0o1777)
        command = [*_limited(launch), *self.command(launch, spool)]
        with log_file.open("wb") as log:
            program = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory
            )

        def said() -> re.Match[str] | None:
            text = log_file.read_text("utf-8", "replace")
            if program.poll() is not None:
                raise DidNotStart(text)
            return self.ready.search(text)

        try:
            ready = wait_until(said, START_SECONDS, "a host that serves")
        except TimeoutError:
            program.kill()
            raise DidNotStart(log_file.read_text("utf-8", "replace")) from None
        assert ready
        return Host(
            (ready[1], int(ready[2])),
            self.deadline,
            pid=program.pid,
            log_file=log_file,
            spool=spool,
            program=program,
        )


def _limited(launch: Launch) -> list[str]:
    """The words before a command line that limit what it starts, and end it with the suite."""
    words = []
    if launch.open_files is not None:
        words += ["prlimit", f"--nofile={launch.open_files}:{launch.open_files}"]
    if launch.processes is not None:
        words += ["prlimit", f"--nproc={launch.processes}:{launch.processes}"]
    if launch.processes is not None or launch.unprivileged:
        if os.getuid() != 0:
            raise Unsupported("only root can give a host a user of its own")
        user = f"{NOBODYS_USER}"
        words += ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"]
        # It may still read what only root may, such as this installation.
        kept = "-all,+dac_override,+dac_read_search" + ",+setuid" * launch.unprivileged
        words += [f"--inh-caps={kept}", f"--ambient-caps={kept}", f"--bounding-set={kept}"]
    if shutil.which("setpriv"):
        words += ["setpriv", "--pdeathsig", "KILL"]
    return words


# A simulator with a burden, with a clock that jumps, or that forks.
_BURDENED = """
import os, sys, time
megabytes, clock, forks = int(sys.argv.pop(1)), sys.argv.pop(1), sys.argv.pop(1)
burden = b"x" * (megabytes << 20)
real = time.time
if clock:
    time.time = lambda: real() + 86400 * os.path.exists(clock)
from agentsim.__main__ import main
if forks:
    from agentsim.suite.hosts.forking import begin
    begin()
main()
"""


class Simulator(ProgramKind):
    """`agentsim serve` of this installation."""

    name = "simulator"

    def command(self, launch: Launch, spool: Path) -> list[str]:
        """The command line of a simulator."""
        program = ["-m", "agentsim"]
        if launch.ballast or launch.clock or launch.forks:
            words = [str(launch.ballast), str(launch.clock or ""), "yes" * launch.forks]
            program = ["-c", _BURDENED, *words]
        options = [f"--port={launch.port}", f"--spool-dir={spool}"]
        if launch.spool_limit is not None:
            options.append(f"--spool-limit={launch.spool_limit}")
        if launch.guarded:
            options.append(f"--credentials={launch.probes.credentials}")
        else:
            options.append("--open" if launch.opened else "--no-open")
        options += [f"--environment={name}={value}" for name, value in launch.environment.items()]
        tables = launch.tables or launch.probes.tables
        return [sys.executable, *program, "serve", *options, *map(str, tables)]

    def check(self, tables: Sequence[Path]) -> list[str]:
        """Ask `agentsim check`."""
        done = subprocess.run(
            [sys.executable, "-m", "agentsim", "check", *tables],
            capture_output=True,
            text=True,
            timeout=self.deadline,
            check=False,
        )
        lines = done.stderr.splitlines(keepends=True)
        return ["".join(line for line in lines if line.startswith(f"{t}: ")) for t in tables]


class Remote(Kind):
    """A host that somebody else has started, and that serves all the probe tables.

    Args:
        url: where it listens.
        pid: its process id on this machine, if that is known.
        log_file: its log, if that is known.
    """

    name = "url"
    starts = False

    def __init__(self, deadline: float, url: str, pid: int | None, log_file: Path | None) -> None:
        super().__init__(deadline)
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._pid = pid
        self._log_file = log_file

    def start(self, launch: Launch) -> Host:
        """The host as it is, whatever the launch says."""
        address = socket.gethostbyname(self._address[0])
        return Host(
            self._address,
            self.deadline,
            pid=self._pid,
            local=self._pid is not None or address.startswith("127."),
            log_file=self._log_file,
        )


KINDS: dict[str, type[Kind]] = {}


def free_port() -> int:
    """A port of this machine that nobody has now, for hosts that can't choose one themselves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def register(kind: type[Kind]) -> None:
    """Make a kind of host known to `--abi-host`."""
    KINDS[kind.name] = kind


register(Simulator)
