"""A real ZooKeeper of one server, as Debian has it."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

JAR = Path("/usr/share/java/zookeeper.jar")
MAIN = "org.apache.zookeeper.server.ZooKeeperServerMain"
PATIENCE = 60.0  # seconds


def missing() -> str | None:
    """Why there can be none here."""
    if not shutil.which("java"):
        return "Java is not installed (apt-get install default-jre-headless)"
    return None if JAR.exists() else "ZooKeeper is not installed (apt-get install zookeeper)"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Zookeeper:
    """A server at `address`; its process can be stopped and begun again over the same data."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._configuration = directory / "zoo.cfg"
        self._configuration.write_text(
            f"dataDir={directory}/data\nclientPortAddress=127.0.0.1\nclientPort={self.port}\n"
            "tickTime=200\nadmin.enableServer=false\nmaxClientCnxns=0\n"
        )
        self.begin()

    def begin(self) -> None:
        words = ["java", "-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", str(JAR)]
        self.process = subprocess.Popen(
            [*words, MAIN, str(self._configuration)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        limit = monotonic() + PATIENCE
        while not self._answers():
            assert self.process.poll() is None and monotonic() < limit, "ZooKeeper did not start"
            sleep(0.05)

    def end(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"srvr")
                return connection.recv(100).startswith(b"Zookeeper version")
        except OSError:
            return False


@contextmanager
def zookeeper(directory: Path) -> Iterator[Zookeeper]:
    """A server with its data in `directory`."""
    server = Zookeeper(directory)
    try:
        yield server
    finally:
        server.end()
