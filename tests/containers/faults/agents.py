"""Simulated agents in containers: start them, ask them, look at what the engine says of them."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from agentsim.suite.hosts.http_client import Connection, Disconnected, Response

if TYPE_CHECKING:
    from agentsim.containers.container import Running
    from agentsim.containers.containers import Containers

PACKAGER_ROUTES = "/opt/mesos-packager/share/mesos-packager/routes/packager.json"
#: The image's own user.
USER = 5051
SECONDS = 60.0
_PAUSE = 0.01


class Agents:
    """Starts simulated agents.

    Args:
        made: makes their containers.
        volume: a directory that they all see under its name.
        user: who they run as; None: the image's own.
    """

    def __init__(self, made: Containers, volume: Path, user: str | None) -> None:
        self.made = made
        self.volume = volume
        self.user = user

    @property
    def owned(self) -> str:
        """Mount options of a tmpfs that they may write to."""
        uid, gid = (self.user or f"{USER}:{USER}").split(":")
        return f"uid={uid},gid={gid}"

    def start(
        self,
        *words: str,
        memory: int = 256,
        tmpfs: Mapping[str, str] | None = None,
        network: Any = None,
        program: Sequence[str] | None = None,
        name: str | None = None,
    ) -> Agent:
        """Start one, and wait until it answers.

        Args:
            words: tables and options; packager's routes if there are none.
            memory: the limit in MiB.
            tmpfs: places in memory and their mount options.
            network: in place of the engine's default.
            program: another program of the image in place of an agent; nothing waits for that.
            name: the container's, by which others of its network find it.
        """
        from agentsim.containers import images
        from agentsim.containers.containers import MIB, Limits

        (self.volume / "spool").mkdir(exist_ok=True)
        (self.volume / "spool").chmod(0o1777)
        # Every request of the suite's client has this name in its Host.
        own = [f"--spool-dir={self.volume}/spool", "--open", "--allow-host=probe"]
        running = self.made.run(
            images.name("simulator"),
            Limits(memory * MIB, 256, tmpfs=tmpfs or {}, mounts=[self.volume]),
            command=[*own, *(words or (PACKAGER_ROUTES,))] if program is None else [],
            entrypoint=program,
            network=network,
            name=name,
            user=self.user,
            health_seconds=None,
        )
        if running.execute("test", "-w", str(self.volume))[0] != 0:
            pytest.skip("containers of this engine can't write to directories of this machine")
        agent = Agent(running)
        if program is None:
            agent.await_answers()
        return agent


class Agent:
    """One simulated agent in its container."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self._address = running.address

    def connect(self) -> Connection:
        """A connection to it."""
        return Connection(self._address, SECONDS)

    def ask(self, method: str, target: str, body: bytes | None = None) -> Response:
        """One request; its whole answer."""
        with self.connect() as connection:
            try:
                connection.request(method, target, (), body)
                return connection.response()
            except TimeoutError as error:
                _, at_work = self.running.execute("sh", "-c", "head -vc 99 /proc/[0-9]*/cmdline")
                said = self.running.report(f"has not answered {method} {target}: {error}")
                raise AssertionError(f"{said}\n{at_work}") from None

    def document(self, target: str) -> Any:
        """The document that a GET answers with."""
        answer = self.ask("GET", target)
        assert answer.status == 200, answer.text
        return json.loads(answer.body)

    def done(self, target: str, body: bytes | None = None) -> dict[str, Any]:
        """POST to a stream that ends well; its exit record."""
        record = self.ask("POST", target, body).record
        assert record["exit_code"] == 0, record
        return record

    def packager(self, *words: str) -> tuple[int, str]:
        """Run packager beside it; exit code and output."""
        return self.running.execute("packager", *words)

    def await_answers(self) -> None:
        """Wait until it serves."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(OSError, Disconnected):
                if self.ask("GET", "/help").status == 200:
                    return
            if not self.running.state["Running"]:
                break
            time.sleep(_PAUSE)
        raise AssertionError(self.running.report(f"did not answer within {SECONDS} s"))

    def restart(self) -> None:
        """Start its container again, which has ended, and wait until it answers."""
        self.running.wait(SECONDS)
        self.running.container.start()
        self._address = self.running.address
        self.await_answers()

    def kill(self) -> None:
        """`docker kill -s KILL`."""
        self.running.signal(signal.SIGKILL)

    def life(self) -> tuple[object, ...]:
        """What is another after its container, or a process in it, was killed."""
        state = self.running.state
        return state["Pid"], state["StartedAt"], state["OOMKilled"], self._killed()

    def _killed(self) -> int:
        """How many processes the kernel has killed in it for want of memory."""
        groups = "/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memory.events"
        _, told = self.running.execute("cat", *groups)  # one is version 1's, one version 2's
        found = [line.split()[1] for line in told.splitlines() if line.startswith("oom_kill ")]
        assert found, told
        return int(found[0])


def archive(files: Mapping[str, bytes]) -> bytes:
    """A package's archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
