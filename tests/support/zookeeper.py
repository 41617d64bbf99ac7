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

_JARS = Path("/usr/share/java")
_MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"


def need_zookeeper() -> None:
    """Skip the test where there is no ZooKeeper to start."""
    if shutil.which("java") is None or not (_JARS / "zookeeper.jar").exists():
        pytest.skip("no ZooKeeper here: Debian's package zookeeper, and a JRE")
    pytest.importorskip("kazoo", reason="no kazoo: pip install 'agentsim[zookeeper]'")


@contextmanager
def zookeeper(directory: Path) -> Iterator[str]:
    """Run a server until the end of the block; its `host:port`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = directory / "zoo.cfg"
    configuration.write_text(
        f"tickTime=100\ndataDir={directory}/zk\nclientPort={port}\nclientPortAddress=127.0.0.1\n"
        "minSessionTimeout=200\nadmin.enableServer=false\n4lw.commands.whitelist=ruok\n"
    )
    classpath = "/etc/zookeeper/conf:" + ":".join(map(str, sorted(_JARS.glob("*.jar"))))
    with (directory / "zookeeper.log").open("wb") as log:
        server = subprocess.Popen(
            ["java", "-Xmx64m", "-XX:+UseSerialGC", "-cp", classpath, _MAIN, str(configuration)],
            stdout=log,
            stderr=log,
        )
    try:
        wait_while_working(server.pid, lambda: _answers(port), 20, "ZooKeeper")
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(b"ruok")
        return connection.recv(4) == b"imok"
    return False
