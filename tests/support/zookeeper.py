"""A ZooKeeper server of the test's own: Debian's package `zookeeper`, on loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from agentsim.suite.hosts.processes import wait_while_working

JAR = Path("/usr/share/java/zookeeper.jar")  # it names all that it needs
MAIN = "org.apache.zookeeper.server.ZooKeeperServerMain"
PATIENCE = 60.0  # seconds


def need_zookeeper() -> None:
    """Skip the test where there is no ZooKeeper to start."""
    if shutil.which("java") is None or not JAR.exists():
        pytest.skip("no ZooKeeper here: Debian's package zookeeper, and a JRE")
    pytest.importorskip("kazoo", reason="no kazoo: pip install 'agentsim[zookeeper]'")


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


class Zookeeper:
    """A server at `address` (HOST:PORT); it can be ended and begun again over the same data.
    most_session_seconds: for which it keeps a session whose client is silent."""

    def __init__(self, directory: Path, most_session_seconds: float) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._directory = directory
        (directory / "zoo.cfg").write_text(
            f"tickTime=100\ndataDir={directory}/zk\nclientPort={self.port}\n"
            "clientPortAddress=127.0.0.1\nminSessionTimeout=200\nmaxClientCnxns=0\n"
            f"maxSessionTimeout={most_session_seconds * 1000:.0f}\n"
            "admin.enableServer=false\n4lw.commands.whitelist=ruok\n"
        )
        self.begin()

    def begin(self) -> None:
        """Start it and wait until it answers."""
        java = ["java", "-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", str(JAR)]
        with (self._directory / "zookeeper.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*java, MAIN, str(self._directory / "zoo.cfg")], stdout=log, stderr=log
            )
        wait_while_working(self.process.pid, self._answers, PATIENCE, "ZooKeeper")

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as asked:
            asked.sendall(b"ruok")
            return asked.recv(4) == b"imok"
        return False


@contextmanager
def zookeeper(directory: Path, most_session_seconds: float = 20.0) -> Iterator[Zookeeper]:
    """Run a server, with its data in `directory`, until the end of the block."""
    server = Zookeeper(directory, most_session_seconds)
    try:
        yield server
    finally:
        server.end()
