"""`agentsim call`: what a person and a script see of an answer, and the exit status."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest
from agentsim.client.command_outcome import CommandOutcome, exit_status

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


@pytest.mark.parametrize(("answer", "status"), CUT)
def test_a_cut_answer(answer: bytes, status: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)  # for a program that ends without a connection

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(65536)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        found, _, err = _call("GET", "http://{}:{}/".format(*server.getsockname()))
        thread.join()
    assert found == status
    assert err
    assert "Traceback" not in err


def test_never_0_for_a_command_that_was_ended() -> None:
    assert exit_status(CommandOutcome(200, reason="exit", exit_code=0)) == 0
    assert exit_status(CommandOutcome(200, reason="timeout", exit_code=0)) == 75
    assert exit_status(CommandOutcome(500, reason="output-limit", exit_code=0)) == 70
    assert exit_status(CommandOutcome(200, reason="exit", exit_code=255)) == 255
    assert exit_status(CommandOutcome(200, reason="signal", signal="SIG34")) == 162
    assert exit_status(CommandOutcome(504)) == 75
    assert exit_status(CommandOutcome(599)) == 70
