"""Hosts in containers: the simulator, and a Mesos agent with the module, each from its image.

The container sees the probes under the names that they have here, and its processes are looked at
from here; so the engine has to be on this machine for the tests that meet commands.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import tempfile
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from agentsim.suite.hosts.http_client import Connection
from agentsim.suite.hosts.kinds import (
    NOBODYS_USER,
    DidNotStart,
    Host,
    Kind,
    Launch,
    ProgramKind,
    Simulator,
    Unsupported,
    register,
)
from agentsim.suite.hosts.mesos_module import Agent, agent_options, modules_option, roomier
from agentsim.suite.hosts.processes import descendants, status

if TYPE_CHECKING:
    from agentsim.containers.container import Running
    from agentsim.containers.containers import Containers, Limits

START_SECONDS = 60.0
IN_IMAGE = Path("/opt/mesos-packager")
MODULE = f"{IN_IMAGE}/libcommand_module.so"
#: Where a host in a container listens.
ANYWHERE = ("0.0.0.0", 5051)


class ContainerHost(Host):
    """A host that runs in a container of this suite."""

    def __init__(self, running: Running, deadline: float, log_file: Path, spool: Path) -> None:
        self._init = init = running.pid
        super().__init__(
            running.address,
            deadline,
            pid=descendants(init)[0] if init else None,  # the first is tini
            local=init is not None,
            log_file=log_file,
            spool=spool,
        )
        self._container = running
        self._log = running.follow(log_file)
        self._ended = False

    def connect(self) -> Connection:
        """A new connection; refused once the container is known to have ended."""
        if self._ended:  # nobody has its address any more: no answer would come at all
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused: the container has ended")
        return super().connect()

    @property
    def started_here(self) -> bool:
        """Always."""
        return True

    @property
    def running(self) -> bool:
        """Whether its container still runs."""
        from docker.errors import NotFound

        try:
            return bool(self._container.state["Running"])
        except NotFound:
            return False

    def process(self, reported: str) -> int:
        """The process id on this machine of one that has another in the container."""
        inner = int(reported)
        for pid in (self._init or 0, *descendants(self._init or 0)):
            with contextlib.suppress(OSError):
                if status(pid, "NSpid").split()[-1] == str(inner):
                    return pid
        raise ProcessLookupError(inner)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the container's first process, which hands it on."""
        self._container.signal(number)

    def wait(self) -> int:
        """Wait for the container's end."""
        code = self._container.wait(self.deadline)
        self._ended = True
        return code

    def stop(self) -> None:
        """Remove the container."""
        self._container.remove()
        self._log.join(self.deadline)


class ContainerKind(Kind):
    """A host that is started from an image of the project."""

    #: The image's name.
    image: ClassVar[str]
    #: Which Python the image has.
    python = "/usr/bin/python3"
    #: Found in what the host writes once it serves.
    ready: ClassVar[re.Pattern[str]] = ProgramKind.ready
    _containers: Containers | None = None
    _copied: tuple[str, ...] = ()

    def prepare(self) -> None:
        """Find the engine and the image.

        Raises:
            Unsupported: one of them is not there.
        """
        from agentsim.containers import engine

        try:
            client = engine.connect()
            # These need the SDK, which the engine's absence has told of otherwise.
            from agentsim.containers import images
            from agentsim.containers.containers import Containers

            images.find(client, self.image)
        except engine.NoEngine as reason:
            raise Unsupported(str(reason)) from None
        except images.NoImage as reason:
            raise Unsupported(str(reason)) from None
        self._containers = Containers(client, START_SECONDS)
        if engine.starts_slowly(client.info()):
            self._copied = ("/usr",)

    def close(self) -> None:
        """Remove whatever is left."""
        if self._containers is not None:
            self._containers.close()

    @abstractmethod
    def command(self, launch: Launch, spool: Path) -> list[str]:
        """The command line in the container; the host listens at port 5051 of all addresses.

        Raises:
            Unsupported: there is none for such a launch.
        """

    def start(self, launch: Launch) -> Host:
        """Start a container, and wait until the host in it answers."""
        from agentsim.containers import container

        assert self._containers is not None
        directory = Path(tempfile.mkdtemp(prefix="host-", dir=launch.probes.directory))
        directory.chmod(0o1777)
        spool = directory / "spool"
        spool.mkdir()
        spool.chmod(0o1777)
        try:
            running = self._containers.run(
                self.image,
                replace(_limits(launch), copied=self._copied),
                entrypoint=["tini", "--", *self.command(launch, spool)],
                command=[],
                user=_user(launch),
                health_seconds=None,
            )
        except container.DidNotStart as reason:
            raise DidNotStart(str(reason)) from None

        try:
            running.await_words(self.ready, START_SECONDS)
        except container.DidNotStart as reason:
            running.remove()
            raise DidNotStart(str(reason)) from None
        return ContainerHost(running, self.deadline, directory / "log", spool)

    def _say(self, words: Sequence[str], directories: Iterable[Path]) -> list[str]:
        """What a command of the image says that sees some directories of this machine."""
        from agentsim.containers.containers import Limits

        assert self._containers is not None
        asked = self._containers.run(
            self.image,
            Limits(mounts=sorted(directories)),
            entrypoint=list(words),
            command=[],
            user=_user_of_tests(),
            health_seconds=None,
        )
        asked.wait()
        lines = asked.logs().splitlines(keepends=True)
        asked.remove()
        return lines


def _limits(launch: Launch) -> Limits:
    from agentsim.containers.containers import MIB, Limits

    if launch.unprivileged:
        raise Unsupported("what the image's user may do is not for the suite to choose")
    places = {launch.probes.directory}
    places |= {table.parent for table in launch.tables}
    if launch.clock is not None:
        places.add(launch.clock.parent)
    return Limits(
        memory=(2048 + 2 * launch.ballast) * MIB,
        # tini is one of them.
        processes=8192 if launch.processes is None else launch.processes + 1,
        open_files=launch.open_files,
        mounts=sorted(places),
    )


def _user(launch: Launch) -> str | None:
    # Limits on the number of processes count all of a user's.
    if launch.processes is not None and os.getuid() == 0:
        return f"{NOBODYS_USER}:{NOBODYS_USER}"
    return _user_of_tests()


def _user_of_tests() -> str | None:
    """The image's own, unless this machine would not let the tests look at its processes."""
    return None if os.getuid() == 0 else f"{os.getuid()}:{os.getgid()}"


class DockerSimulator(ContainerKind):
    """`agentsim serve` of the image `simulator`."""

    name = "docker-simulator"
    image = "mesos-packager:simulator"

    def command(self, launch: Launch, spool: Path) -> list[str]:
        """As of the simulator on this machine, with the image's Python."""
        if not (launch.guarded or launch.opened):
            raise Unsupported("a simulator in a container has credentials, or is opened")
        host, port = ANYWHERE
        _, *words = Simulator(self.deadline).command(replace(launch, port=port), spool)
        return [f"{IN_IMAGE}/bin/python", *words, f"--host={host}"]

    def check(self, tables: Sequence[Path]) -> list[str]:
        """Ask the image's `agentsim check`."""
        words = ["agentsim", "check", *map(str, tables)]
        lines = self._say(words, {table.parent for table in tables})
        return ["".join(line for line in lines if line.startswith(f"{t}: ")) for t in tables]


class DockerAgent(ContainerKind):
    """A Mesos agent with the module, of the image `agent`; it needs no master to serve it."""

    name = "docker"
    image = "mesos-packager:agent"
    ready = Agent.ready
    own_paths = Agent.own_paths

    def start(self, launch: Launch) -> Host:
        """Start a container; limits leave the agent what it needs before any request."""
        return super().start(roomier(launch))

    def command(self, launch: Launch, spool: Path) -> list[str]:
        """As of an agent on this machine, with the image's module."""
        return ["mesos-agent", *agent_options(launch, MODULE, spool, ANYWHERE)]

    def check(self, tables: Sequence[Path]) -> list[str]:
        """Let an agent read them all, and another those of which it said nothing, to be sure.

        A line of an agent's log has 30,000 bytes at the most: what stands behind that is lost.
        """
        found: dict[Path, str] = {}
        while silent := [table for table in tables if table not in found]:
            said = {table: text for table, text in self._judged(silent).items() if text}
            if not said:
                break
            found |= said
        return [found.get(table, "") for table in tables]

    def _judged(self, tables: Sequence[Path]) -> dict[Path, str]:
        """What an agent says of tables; it stops in any case, for a parameter that there is not."""
        with tempfile.TemporaryDirectory() as directory:
            Path(directory).chmod(0o755)
            routes = [("routes", str(table)) for table in tables]
            stopped = [*routes, ("only_to_be_checked", "")]
            places = {Path(directory), *(table.parent for table in tables)}
            option = modules_option(Path(directory, "modules.json"), MODULE, stopped)
            said = self._say(["mesos-agent", option, "--work_dir=/nowhere"], places)
        # Good ones among them may well be for the same process.
        lines = [line for line in said if "/process: another table serves" not in line]
        return {t: "".join(line for line in lines if line.startswith(f"{t}: ")) for t in tables}


register(DockerSimulator)
register(DockerAgent)
