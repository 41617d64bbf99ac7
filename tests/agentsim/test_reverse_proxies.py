"""The configurations of docs/reverse-proxies.md, run as they stand there in front of a host."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from agentsim.suite.hosts.processes import wait_until

from tests.conftest import READY
from tests.support.shell_table import shell_table

# Each of five proxies for many requests, and waits for their time-outs.
pytestmark = pytest.mark.long

PAGE = Path(__file__).parents[2] / "docs" / "reverse-proxies.md"
SECONDS = 30
SCRIPT = r"""
case $1 in
echo) shift 2; for word; do printf '%s\n' "$word"; done ;;
count) wc -c ;;
steps) echo '{"event":"one"}'; read -r line < "$FIFO"; echo '{"event":"two"}'; exit 3 ;;
silent) echo $$ > "$PIDS/silent"; exec sleep 600 ;;
talking) echo '{"event":"one"}'; echo $$ > "$PIDS/talking"; exec sleep 600 ;;
esac
"""
STREAM = {"delivery": "stream"}


@dataclass(frozen=True)
class Program:
    """A proxy: the language of its block on the page, the program, its arguments.

    `lacks` has what it can't do, as the table of the page says.
    """

    name: str
    block: str
    program: str
    arguments: tuple[str, ...]
    lacks: frozenset[str] = frozenset()


#: In the directory of a test, workers can write as this user alone.
USER = "user root;" if os.geteuid() == 0 else ""
LEAVE = "does not tell the host that a client has left"
LENGTH = "does not refuse a body by its declared length"
PROGRAMS = [
    Program("nginx", "nginx", "nginx", ("-c", "FILE", "-e", "stderr", "-g", f"daemon off; {USER}")),
    Program("HAProxy", "haproxy", "haproxy", ("-db", "-f", "FILE")),
    Program(
        "Caddy",
        "caddyfile",
        "caddy",
        ("run", "--adapter", "caddyfile", "--config", "FILE"),
        frozenset({LENGTH}),
    ),
    Program(
        "Apache httpd",
        "apache",
        "apache2",
        ("-DFOREGROUND", "-f", "FILE"),
        frozenset({LEAVE, LENGTH}),
    ),
    Program("lighttpd", "lighttpd", "lighttpd", ("-D", "-f", "FILE"), frozenset({LEAVE})),
]


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs, and the directory in which the commands behind it leave their marks."""

    program: Program
    port: int
    directory: Path

    def must(self, lack: str) -> None:
        """Skip the test if the page says that this proxy can't."""
        if lack in self.program.lacks:
            pytest.skip(f"{self.program.name} {lack}")


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module", params=PROGRAMS, ids=lambda program: program.name)
def proxy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """A proxy with its configuration of the page, and a host behind it."""
    program: Program = request.param
    found = shutil.which(program.program, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip(f"{program.name} is not installed")
    tmp_path = tmp_path_factory.mktemp("proxy")
    os.mkfifo(tmp_path / "fifo")
    secrets = {"credentials": [{"principal": "ops", "secret": "s3cret"}]}
    (tmp_path / "credentials").touch(mode=0o600)
    (tmp_path / "credentials").write_text(json.dumps(secrets))
    table = shell_table(
        tmp_path,
        SCRIPT,
        {
            "path": "/echo",
            "argv": ["echo", "--", "{rest}", "{x}"],
            "parameters": {
                "rest": {"type": "string", "in": "path", "required": True},
                "x": {"type": "string", "required": True},
            },
            "response": {"type": "text/plain"},
        },
        {
            "path": "/count",
            "method": "POST",
            "stdin": "body",
            "max_body": 1 << 30,
            "response": {"type": "text/plain"},
        },
        {"path": "/steps", "response": STREAM},
        {"path": "/silent", "grace": 0},
        {"path": "/talking", "grace": 0, "response": STREAM},
        {"path": "/guarded", "realm": "r"},
        name="packager",
    )
    serve = [sys.executable, "-m", "agentsim", "serve", "--port=0", str(table)]
    options = [
        f"--credentials={tmp_path / 'credentials'}",
        f"--environment=FIFO={tmp_path / 'fifo'}",
        f"--environment=PIDS={tmp_path}",
    ]
    log = tmp_path / "host.log"
    with running([*serve, *options], log) as host:
        wait_until(lambda: host.poll() is not None or READY.search(log.read_text()), SECONDS)
        ready = READY.search(log.read_text())
        assert ready is not None, log.read_text()
        agent_port = ready[1].rpartition(":")[2]
        port = _free_port()
        arguments = _configure(program, tmp_path, agent_port, str(port))
        log = tmp_path / "proxy.log"
        with running([found, *arguments], log) as process:
            wait_until(lambda: process.poll() is not None or _accepts(port), SECONDS, "the proxy")
            assert process.poll() is None, log.read_text()
            yield Proxy(program, port, tmp_path)


@contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program, until the end of the block."""
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:  # it waits for requests that go on
                process.kill()


def _configure(program: Program, directory: Path, agent: str, port: str) -> list[str]:
    """Write the page's configuration with other ports and another place; the arguments with it."""
    block = re.search(
        rf"^```{program.block}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    assert block is not None
    file, own = directory / "configuration", directory / "run"
    own.mkdir()
    text = block[1].replace("5051", agent).replace("8080", port)
    file.write_text(text.replace("/run/agent-proxy", str(own)))
    names = {"FILE": str(file), "DIRECTORY": str(own), "8080": port}
    return [
        re.sub("FILE|DIRECTORY|8080", lambda m: names[m[0]], word) for word in program.arguments
    ]


def _connect(proxy: Proxy) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=SECONDS)


def _ask(
    proxy: Proxy, target: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = _connect(proxy)
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, target, body, fields)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, answer.headers


def test_a_stream_comes_event_by_event(proxy: Proxy) -> None:
    connection = _connect(proxy)
    connection.request("GET", "/packager/steps")
    answer = connection.getresponse()
    assert answer.readline() == b'{"event":"one"}\n'
    (proxy.directory / "fifo").write_text("go on\n")
    assert answer.readline() == b'{"event":"two"}\n'
    record = json.loads(answer.readline())
    assert (record["record"], record["exit_code"]) == ("exit", 3)
    assert answer.read() == b""
    connection.close()


@pytest.mark.parametrize("route", ["silent", "talking"])
def test_a_client_that_leaves_ends_its_command(proxy: Proxy, route: str) -> None:
    proxy.must(LEAVE)
    connection = _connect(proxy)
    connection.request("GET", f"/packager/{route}")
    mark = proxy.directory / route
    pid = int(wait_until(lambda: mark.exists() and mark.read_text().strip(), SECONDS))
    if route == "talking":
        assert connection.getresponse().readline() == b'{"event":"one"}\n'
    assert connection.sock is not None
    connection.sock.close()
    connection.close()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), SECONDS, "the end of the command")


def test_an_upload_arrives(proxy: Proxy) -> None:
    data = bytes(20 << 20)
    assert _ask(proxy, "/packager/count", "POST", data)[:2] == (200, b"20971520\n")


def test_a_body_is_refused_by_its_length(proxy: Proxy) -> None:
    proxy.must(LENGTH)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=SECONDS) as client:
        client.sendall(b"POST /packager/count HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        client.sendall(b"Content-Length: 1100000000000\r\n\r\n")
        assert client.recv(100).split()[1] == b"413"


def test_the_target_arrives_as_it_was_sent(proxy: Proxy) -> None:
    status, body, _ = _ask(proxy, "/packager/echo/a%2Fb/%25/c//d?x=1%2B2+3%3B%26%25")
    assert (status, body) == (200, b"a/b/%/c//d\n1+2 3;&%\n")


def test_host_and_origin_arrive(proxy: Proxy) -> None:
    place = f"127.0.0.1:{proxy.port}"
    assert _ask(proxy, "/packager/echo/a?x=1", Origin=f"http://{place}")[0] == 200
    assert _ask(proxy, "/packager/echo/a?x=1", Origin="http://example.org")[0] == 403
    assert _ask(proxy, "/packager/echo/a?x=1", Sec_Fetch_Site="cross-site")[0] == 403
    named = "agents.example.org"
    status, _, _ = _ask(proxy, "/packager/echo/a?x=1", Host=named, Origin=f"https://{named}")
    assert status == 200


def test_who_asks_arrives(proxy: Proxy) -> None:
    status, _, headers = _ask(proxy, "/packager/guarded")
    assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="r"')
    assert _ask(proxy, "/packager/guarded", Authorization="Basic b3BzOnMzY3JldA==")[0] == 200


def test_what_is_no_route_stays_outside(proxy: Proxy) -> None:
    assert _ask(proxy, "/help")[0] in (403, 404)
    assert _ask(proxy, "/__processes__")[0] in (403, 404)
    target = "/packager/count"
    assert _ask(proxy, target, "POST", b"x", Libprocess_From="x@127.0.0.1:1")[0] == 403
    assert _ask(proxy, target, "POST", b"x", User_Agent="libprocess/x@127.0.0.1:1")[0] == 403


def test_a_long_head_stays_outside(proxy: Proxy) -> None:
    assert _ask(proxy, f"/packager/echo/a?x={'a' * 100_000}")[0] in (400, 413, 414, 431)


def test_pipelined_requests_are_answered_one_after_the_other(proxy: Proxy) -> None:
    one = b"GET /packager/echo/a?x=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=SECONDS) as client:
        client.sendall(one * 20)
        received = b""
        while received.count(b"a\n1\n") < 20:
            data = client.recv(65536)
            assert data, received
            received += data


def test_a_connection_that_sends_no_head_is_closed(proxy: Proxy) -> None:
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=90) as client:
        client.sendall(b"GET /packager/")
        while client.recv(65536):
            pass
    assert time.monotonic() - begun < 80
