"""The configurations of docs/reverse-proxies.md, run as they stand there in front of a host."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from agentsim.suite.hosts.processes import wait_until

from tests.conftest import Simulator
from tests.support.shell_table import shell_table

PAGE = Path(__file__).parents[2] / "docs" / "reverse-proxies.md"
SECONDS = 30
SCRIPT = r"""
case $1 in
echo) shift; for word; do printf '%s\n' "$word"; done ;;
count) wc -c ;;
steps) echo '{"event":"one"}'; read -r line < "$FIFO"; echo '{"event":"two"}'; exit 3 ;;
silent) echo $$ > "$PIDS/silent"; exec sleep 600 ;;
talking) echo '{"event":"one"}'; echo $$ > "$PIDS/talking"; exec sleep 600 ;;
once) echo x >> "$PIDS/once"; kill -9 $PPID ;;
esac
"""
STREAM = {"delivery": "stream"}


@dataclass(frozen=True)
class Program:
    """A proxy: the language of its block on the page, the program, its arguments."""

    name: str
    block: str
    program: str
    arguments: tuple[str, ...]


PROGRAMS = [
    Program("nginx", "nginx", "nginx", ("-c", "FILE", "-e", "stderr", "-g", "daemon off;")),
    Program("HAProxy", "haproxy", "haproxy", ("-db", "-f", "FILE")),
    Program("Caddy", "caddyfile", "caddy", ("run", "--adapter", "caddyfile", "--config", "FILE")),
    Program("Apache httpd", "apache", "apache2", ("-DFOREGROUND", "-f", "FILE")),
    Program("lighttpd", "lighttpd", "lighttpd", ("-D", "-f", "FILE")),
    Program(
        "Varnish",
        "vcl",
        "varnishd",
        ("-F", "-f", "FILE", "-a", "127.0.0.1:8080", "-n", "DIRECTORY/varnish"),
    ),
]


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs, the host behind it, and where its commands leave their marks."""

    name: str
    port: int
    host: Simulator
    directory: Path


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(params=PROGRAMS, ids=lambda program: program.name)
def proxy(
    request: pytest.FixtureRequest, simulator: Callable[..., Simulator], tmp_path: Path
) -> Iterator[Proxy]:
    program: Program = request.param
    found = shutil.which(program.program, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip(f"{program.name} is not installed")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "credentials").write_text("ops s3cret\n")
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
    host = simulator(
        table,
        f"--credentials={tmp_path / 'credentials'}",
        f"--environment=FIFO={tmp_path / 'fifo'}",
        f"--environment=PIDS={tmp_path}",
    )
    port = _free_port()
    text = re.search(
        rf"^```{program.block}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    assert text is not None
    directory = tmp_path / "run"
    directory.mkdir()
    configuration = text[1].replace("5051", host.url.rpartition(":")[2]).replace("8080", str(port))
    file = tmp_path / "configuration"
    file.write_text(configuration.replace("/run/agent-proxy", str(directory)))
    arguments = [
        word.replace("FILE", str(file))
        .replace("DIRECTORY", str(directory))
        .replace("8080", str(port))
        for word in program.arguments
    ]
    log = tmp_path / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [found, *arguments],
            stdout=output,
            stderr=output,
            cwd="/",
            env={**os.environ, "HOME": str(directory)},
        ) as running,
    ):
        try:
            wait_until(lambda: running.poll() is not None or _accepts(port), SECONDS, "the proxy")
            assert running.poll() is None, log.read_text()
            yield Proxy(program.name, port, host, tmp_path)
        finally:
            running.terminate()
            running.wait(SECONDS)


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


def test_an_upload_arrives_and_has_a_limit(proxy: Proxy) -> None:
    data = bytes(20 << 20)
    assert _ask(proxy, "/packager/count", "POST", data)[:2] == (200, b"20971520\n")
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=SECONDS) as client:
        head = "POST /packager/count HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1100000000000\r\n\r\n"
        client.sendall(head.encode())
        assert client.recv(100).split()[1] == b"413"


def test_the_target_arrives_as_it_was_sent(proxy: Proxy) -> None:
    status, body, _ = _ask(proxy, "/packager/echo/a%2Fb/%25/c//d?x=1%2B2+3%3B%26%25")
    assert (status, body) == (200, b"a/b/%/c//d\n1+2 3;&%\n")


def test_host_and_origin_arrive(proxy: Proxy) -> None:
    place = f"127.0.0.1:{proxy.port}"
    assert _ask(proxy, "/packager/echo/a?x=1", Origin=f"http://{place}")[0] == 200
    assert _ask(proxy, "/packager/echo/a?x=1", Origin="http://example.org")[0] == 403
    assert _ask(proxy, "/packager/echo/a?x=1", Sec_Fetch_Site="cross-site")[0] == 403
    named = {"Host": "agents.example.org", "Origin": "https://agents.example.org"}
    assert _ask(proxy, "/packager/echo/a?x=1", **named)[0] == 200


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
