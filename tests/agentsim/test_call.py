"""`agentsim call`: what a person and a script see of an answer, and the exit status."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pexpect
import pytest
from agentsim.client.connection import CallFailed, connect
from agentsim.client.exit_status import CommandOutcome, exit_status

from tests.conftest import Simulator
from tests.support.shell_table import shell_table

CALL = [sys.executable, "-m", "agentsim", "call"]
SCRIPT = r"""
case $1 in
json) echo '{"b": [1, {"c": null}], "a": "x y"}' ;;
steps) echo '{"event":"step","n":1,"path":"/opt/x"}'; read -r line < "$FIFO"; echo "$line" ;;
fail) echo 'no such thing' >&2; exit 66 ;;
late) echo '{"event":"one"}'; echo 'it broke' >&2; exit 3 ;;
record) echo '{"abi":1,"record":"exit","exit_code":0}'; exit 4 ;;
steer) printf '{"event":"\\u001b[2J","x":"\033]0;owned\007"}\n' ;;
die) kill -9 $$ ;;
silent) exec sleep 60 ;;
cat) exec cat ;;
esac
"""
STREAM = {"delivery": "stream"}

Start = Callable[..., Simulator]


@pytest.fixture
def host(simulator: Start, tmp_path: Path) -> Simulator:
    table = shell_table(
        tmp_path,
        SCRIPT,
        {"path": "/json", "realm": "r"},
        *({"path": f"/{name}", "response": STREAM} for name in ("late", "record", "steer")),
        {"path": "/steps", "response": STREAM},
        *({"path": f"/{name}"} for name in ("fail", "die")),
        {"path": "/silent", "timeout": 0.1, "grace": 1},
        {"path": "/cat", "method": "POST", "stdin": "body", "response": {"type": "text/plain"}},
    )
    (tmp_path / "credentials").write_text("ops s3cret\n")
    fifo = tmp_path / "fifo"
    fifo_arguments = (f"--environment=FIFO={fifo}",)
    subprocess.run(["mkfifo", fifo], check=True)
    return simulator(table, f"--credentials={tmp_path / 'credentials'}", *fifo_arguments)


def _call(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
    done = subprocess.run([*CALL, *arguments], input=stdin, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def _on_terminal(*arguments: str, env: dict[str, str] | None = None) -> bytes:
    shown = pexpect.run(" ".join([*CALL, *arguments]), env=env)
    assert isinstance(shown, bytes)  # since no encoding is given
    return shown


def test_a_document_is_verbatim_in_a_pipe_and_laid_out_on_a_terminal(
    host: Simulator, tmp_path: Path
) -> None:
    url, credentials = f"{host.url}/t/json", f"--credentials={tmp_path / 'credentials'}"
    plain = '{"b": [1, {"c": null}], "a": "x y"}\n'
    assert _call("GET", url, credentials) == (0, plain, "")
    assert _call("GET", url, "--user=ops:s3cret") == (0, plain, "")
    assert _call("GET", url) == (77, "", "401 Unauthorized.\n")
    shown = _on_terminal("GET", url, credentials)
    assert shown.splitlines()[:3] == [b"{", b'  "b": [', b"    1,"]
    raw = _on_terminal("GET", url, credentials, "--raw")
    assert raw == plain.replace("\n", "\r\n").encode()


def test_events_are_shown_as_they_come(host: Simulator, tmp_path: Path) -> None:
    terminal = pexpect.spawn(" ".join([*CALL, "GET", f"{host.url}/t/steps"]), timeout=20)
    terminal.expect("step")
    terminal.expect("n=.*1 .*path=.*/opt/x")
    assert terminal.isalive()
    (tmp_path / "fifo").write_text('{"event":"done","text":"two words","list":[1]}\n')
    terminal.expect("done")
    terminal.expect('text=.*"two words" .*list=.*\\[1\\]')
    terminal.expect("exit 0 after ")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


def test_a_stream_in_a_pipe_comes_as_it_is(host: Simulator) -> None:
    status, out, err = _call("GET", f"{host.url}/t/late")
    lines = out.splitlines()
    assert lines[0] == '{"event":"one"}'
    assert lines[1].startswith('{"abi":1,"record":"exit",')
    assert status == 3
    assert err.startswith("exit 3 after ")
    assert "\n  | it broke\n" in err


def test_only_the_last_line_is_the_exit_record(host: Simulator) -> None:
    status, out, _ = _call("GET", f"{host.url}/t/record")
    assert (status, out.count('"record":"exit"')) == (4, 2)


def test_nothing_steers_the_terminal(host: Simulator) -> None:
    shown = _on_terminal("GET", f"{host.url}/t/steer", env={"NO_COLOR": "1"})
    assert b"\x1b" not in shown
    assert b"\x07" not in shown
    assert b"owned" in shown


def test_an_error_is_told_with_the_commands_own_words(host: Simulator) -> None:
    status, out, err = _call("GET", f"{host.url}/t/fail")
    assert (status, out) == (66, "")
    assert err.splitlines()[:3] == [
        "404: The command failed.",
        "The command exited with status 66 (EX_NOINPUT). Its own words are in stderr.",
        "  | no such thing",
    ]
    status, out, _ = _call("GET", f"{host.url}/t/fail", "--raw")
    assert status == 66
    assert out.startswith('{"type":"urn:command-abi:1:exit",')


def test_what_ended_it_is_the_exit_status(host: Simulator) -> None:
    assert _call("GET", f"{host.url}/t/die")[0] == 128 + 9
    assert _call("GET", f"{host.url}/t/silent")[0] == 128 + 15
    assert _call("GET", f"{host.url}/t/nothing")[0] == 66
    assert _call("POST", f"{host.url}/t/fail")[0] == 64
    assert _call("GET", f"{host.url}/t/fail?x=1")[0] == 64


def test_bodies(host: Simulator, tmp_path: Path) -> None:
    url, data = f"{host.url}/t/cat", bytes(range(256)) * 1000
    file = tmp_path / "body"
    file.write_bytes(data)
    for arguments, stdin in (([f"--data={file}"], b""), (["--data=-"], data)):
        done = subprocess.run(
            [*CALL, "POST", url, *arguments], input=stdin, capture_output=True, check=True
        )
        assert done.stdout == data
    assert _call("POST", f"{host.url}/t/fail", f"--data={tmp_path / 'none'}")[0] == 66


def test_no_host() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        place = "{}:{}".format(*unused.getsockname())
        status, out, err = _call("GET", f"http://{place}/t/x")
    assert (status, out) == (69, "")
    assert err == f"nothing listens on {place}: is the agent running?\n"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("GET", "ftp://127.0.0.1/"), 64),
        (("GET", "http://127.0.0.1:99999/"), 64),
        (("GET", "http://127.0.0.1:5051/a b"), 64),
        (("GET", "http://127.0.0.1:5051/", "--header=x"), 64),
        (("GET", "http://127.0.0.1:5051/", "--user=x"), 64),
        (("GET", "http://user:secret@127.0.0.1:5051/"), 64),
        (("GET", "http://[::1/"), 64),
        (("GET",), 64),
        (("GET", "http://no-such-host.invalid/"), 68),
    ],
)
def test_calls_that_can_not_be_made(arguments: tuple[str, ...], status: int) -> None:
    found, out, err = _call(*arguments)
    assert (found, out) == (status, "")
    assert "Traceback" not in err


CUT = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 76),
    (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
        b'Transfer-Encoding: chunked\r\n\r\n10\r\n{"event":"one"}\n\r\n',
        76,
    ),
    (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
        b'Transfer-Encoding: chunked\r\n\r\n10\r\n{"event":"one"}\n\r\n0\r\n\r\n',
        76,
    ),
    (b"", 76),
    (b"SSH-2.0-x\r\n", 76),
]


@contextmanager
def peer(answer: bytes, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers each connection with these bytes, and what it was asked.

    Without an answer it says nothing until its client leaves.
    """
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)  # for a program that ends without a connection

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client, suppress(OSError):
                    stream = client if tls is None else tls.wrap_socket(client, server_side=True)
                    asked.append(stream.recv(65536))
                    if answer == SILENCE:
                        stream.recv(1)
                    else:
                        stream.sendall(answer)
                    if tls is None:  # a close with bytes unread would reset what was sent
                        client.shutdown(socket.SHUT_WR)
                        while client.recv(65536):
                            pass
                    stream.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield "{}:{}".format(*server.getsockname()), asked
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


SILENCE = b"silence"


@pytest.mark.parametrize(("answer", "status"), CUT)
def test_a_cut_answer(answer: bytes, status: int) -> None:
    with peer(answer) as (place, _):
        found, _, err = _call("GET", f"http://{place}/")
    assert found == status
    assert err
    assert "Traceback" not in err


EMPTY_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
REDIRECT = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: //else:5050\r\nContent-Length: 0\r\n\r\n"
RECORD = b'{"abi":1,"record":"exit","request_id":"x","exit_code":4,"signal":null,"reason":"exit"}\n'


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (REDIRECT, 76, "It leads to //else:5050, where this command does not go."),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", 76, "304 Not Modified"),
        (b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n", 77, "407 Who"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 0, ""),
    ],
)
def test_only_a_success_is_one(answer: bytes, status: int, words: str) -> None:
    with peer(answer) as (place, _):
        found, out, err = _call("GET", f"http://{place}/")
    assert (found, out) == (status, "")
    assert words in err


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        # As a proxy passes a stream on that it has received as a whole, or to HTTP/1.0.
        (b"Content-Length: %d\r\n", b'{"event":"one"}\n' + RECORD, 4),
        (b"", b'{"event":"one"}\n' + RECORD, 4),
        (b"", b'{"event":"one"}\n', 76),
        # And lines that are no stream have no record.
        (b"Content-Length: %d\r\n", b'{"event":"one"}\n', 0),
        (b"Content-Length: %d\r\n", b'{"event":"one"}', 0),
    ],
)
def test_a_stream_that_came_in_one_piece(head: bytes, body: bytes, status: int) -> None:
    length = head % len(body) if head else b""
    type_ = b"Content-Type: application/x-ndjson\r\n"
    with peer(b"HTTP/1.1 200 OK\r\n" + type_ + length + b"\r\n" + body) as (place, _):
        found, out, _ = _call("GET", f"http://{place}/")
    assert (found, out.encode()) == (status, body)


def test_an_answer_that_can_not_be_written(host: Simulator, tmp_path: Path) -> None:
    arguments = ["GET", f"{host.url}/t/json", f"--credentials={tmp_path / 'credentials'}"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*CALL, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 74
    assert done.stderr == "standard output: No space left on device\n"


CERTIFICATE = Path(__file__).parents[1] / "support" / "localhost.pem"


@pytest.mark.parametrize("command", ["call", "routes"])
def test_certificates(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    monkeypatch.setenv("no_proxy", "*")
    with peer(EMPTY_OK, context) as (place, _):
        url = f"https://{place.replace('127.0.0.1', 'localhost')}"
        status, _, err = _agentsim(command, url)
        assert status == 69
        assert "the certificate is not trusted: self-signed certificate" in err
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        assert _agentsim(command, url)[0] == (0 if command == "call" else 76)
        status, _, err = _agentsim(command, f"https://{place}")  # it is for the name alone
        assert status == 69
        assert "IP address mismatch" in err


def test_what_is_not_tls() -> None:
    with peer(EMPTY_OK) as (place, _):
        status, _, err = _call("GET", f"https://{place}/")
    assert status == 69
    assert f"{place}: TLS: " in err


def test_an_address_whose_handshake_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentsim.client.connection._CONNECT_SECONDS", 0.2)
    with peer(SILENCE) as (place, _), pytest.raises(CallFailed) as failed:
        connect(f"https://{place}/", None)
    assert (failed.value.status, str(failed.value)) == (69, f"{place} does not answer")


def test_a_host_that_says_nothing() -> None:
    with peer(SILENCE) as (place, _):
        status, _, err = _call("GET", f"http://{place}/", "--timeout=0.2")
    assert (status, err) == (75, f"{place} sent nothing for 0.2 s\n")


def _agentsim(command: str, url: str) -> tuple[int, str, str]:
    if command == "call":
        return _call("GET", url)
    done = subprocess.run(
        [sys.executable, "-m", "agentsim", "routes", url],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("command", ["call", "routes"])
def test_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    help_ = b'{"processes":[]}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(help_), help_)
    path = "/x" if command == "call" else "/help?format=json"
    url = "http://agent.invalid:5051" + (path if command == "call" else "")
    with peer(answer) as (proxy, asked):
        for name in ("http_proxy", "all_proxy"):
            with monkeypatch.context() as context:
                context.setenv(name, f"http://ops:s%3acret@{proxy}")
                assert _agentsim(command, url)[0] == 0
            head = asked.pop().decode().split("\r\n")
            assert head[0] == f"GET http://agent.invalid:5051{path} HTTP/1.1"
            assert "Host: agent.invalid:5051" in head
            assert "Proxy-Authorization: Basic b3BzOnM6Y3JldA==" in head
        monkeypatch.setenv("https_proxy", proxy)
        status, _, err = _agentsim(command, url.replace("http:", "https:"))
        assert asked.pop().startswith(b"CONNECT agent.invalid:5051 ")
        assert (status, "Traceback" in err) == (69, False)
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", ".invalid")
        assert _agentsim(command, url)[0] == 68
        monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
        monkeypatch.delenv("no_proxy")
        assert _agentsim(command, url)[0] == 64
        assert asked == []


def test_never_0_for_a_command_that_was_ended() -> None:
    assert exit_status(CommandOutcome(200, reason="exit", exit_code=0)) == 0
    assert exit_status(CommandOutcome(200, reason="timeout", exit_code=0)) == 75
    assert exit_status(CommandOutcome(500, reason="output-limit", exit_code=0)) == 70
    assert exit_status(CommandOutcome(200, reason="exit", exit_code=255)) == 255
    assert exit_status(CommandOutcome(200, reason="signal", signal="SIG34")) == 162
    assert exit_status(CommandOutcome(504)) == 75
    assert exit_status(CommandOutcome(599)) == 70
    assert exit_status(CommandOutcome(302)) == 76
    assert exit_status(CommandOutcome(302, exit_code=0)) == 76
