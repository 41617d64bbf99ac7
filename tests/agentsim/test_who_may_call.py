"""What the operator of a simulated agent says about who may call it, and what its log tells."""

from __future__ import annotations

import base64
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.conftest import Simulator

Start = Callable[..., Simulator]
ROUTES = [
    {"path": "/guarded", "method": "GET", "argv": [], "realm": "mesos-agent-readonly"},
    {"path": "/free", "method": "GET", "argv": []},
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "t.json"
    file.write_text(json.dumps({"abi": 1, "process": "t", "command": ["true"], "routes": ROUTES}))
    return file


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    file = tmp_path / "credentials"
    file.write_text("ops secret\n")
    file.chmod(0o600)
    return file


def refused(*options: str | Path) -> tuple[int, str]:
    """The exit status and the words of a simulator that does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "agentsim", "serve", "--port=0", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_an_address_that_others_reach_needs_credentials_or_a_word(
    simulator: Start, table: Path, credentials: Path
) -> None:
    status, said = refused(table, "--host=0.0.0.0")
    assert status == 69
    assert "--credentials" in said and "--open" in said
    status, _ = refused(table, "--host=0.0.0.0", "--no-open")
    assert status == 69
    for option in ("--open", f"--credentials={credentials}"):
        host = simulator(table, "--host=0.0.0.0", option)
        port = host.url.rpartition(":")[2]
        answer = requests.get(f"http://127.0.0.1:{port}/t/free", timeout=10)
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "everybody on this machine may call every route"),
        (["--no-open"], "nobody may call (403)"),
        (["--credentials"], "1 of 2 routes, everybody on this machine the others"),
    ],
)
def test_a_line_at_the_start_says_who_may_call(
    simulator: Start, table: Path, credentials: Path, options: list[str], words: str
) -> None:
    filled = [f"{o}={credentials}" if o == "--credentials" else o for o in options]
    host = simulator(table, *filled)
    requests.get(f"{host.url}/t/free", timeout=10)  # its line comes behind
    assert words in host.log.read_text()
    if "--no-open" in options:
        assert "/t/guarded" in host.log.read_text()


def test_a_name_has_to_be_allowed(simulator: Start, table: Path) -> None:
    host = simulator(table, "--allow-host=Agent.Example")
    for name, status in (
        ("agent.example:5051", 200),
        ("AGENT.example", 200),
        ("other.example", 403),
        ("agent.example.evil", 403),
    ):
        answer = requests.get(f"{host.url}/t/free", headers={"Host": name}, timeout=10)
        assert answer.status_code == status, name


def test_a_refused_login_names_the_client(simulator: Start, table: Path, credentials: Path) -> None:
    host = simulator(table, f"--credentials={credentials}")
    with requests.Session() as session:
        answer = session.get(f"{host.url}/t/guarded", auth=("ops", "guess"), timeout=10)
        assert answer.status_code == 401
        assert session.get(f"{host.url}/t/free", timeout=10).status_code == 200
    text = host.log.read_text()
    assert "a login for mesos-agent-readonly was refused: client 127.0.0.1:" in text
    assert "guess" not in text


def test_a_request_without_a_login_is_no_refused_login(
    simulator: Start, table: Path, credentials: Path
) -> None:
    host = simulator(table, f"--credentials={credentials}")
    assert requests.get(f"{host.url}/t/guarded", timeout=10).status_code == 401
    assert "refused" not in host.log.read_text()


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_credentials_that_others_may_write_are_refused(
    table: Path, credentials: Path, mode: int
) -> None:
    credentials.chmod(mode)
    status, said = refused(table, f"--credentials={credentials}")
    assert status == 65
    assert f"{credentials}: others may write it (mode {mode:04o})" in said
    assert f"chmod 600 {credentials}" in said


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (b"ops secret\n", 0o644, "others may read the secrets (mode 0644)"),
        (b"\xef\xbb\xbfops secret\n", 0o600, "byte order mark"),
        (b"ops sec:ret\n", 0o600, "the secret of ops has a colon"),
        (
            b'{"credentials": [{"principal": "ops", "secret": "a:b"}]}',
            0o600,
            "the secret of ops has a colon",
        ),
    ],
)
def test_credentials_that_do_not_do_what_was_meant_are_warned_of(
    simulator: Start, table: Path, credentials: Path, text: bytes, mode: int, words: str
) -> None:
    credentials.write_bytes(text)
    credentials.chmod(mode)
    host = simulator(table, f"--credentials={credentials}")
    assert words in host.log.read_text()
    assert "sec:ret" not in host.log.read_text()


def test_a_byte_order_mark_before_json_is_refused(table: Path, credentials: Path) -> None:
    credentials.write_bytes(
        b'\xef\xbb\xbf{"credentials": [{"principal": "ops", "secret": "secret"}]}'
    )
    status, said = refused(table, f"--credentials={credentials}")
    assert status == 65
    assert "byte order mark" in said


def test_a_recording_is_its_owners_and_has_no_logins(
    simulator: Start, table: Path, credentials: Path, tmp_path: Path
) -> None:
    recording = tmp_path / "recording.json"
    recording.write_text("old")
    recording.chmod(0o644)
    host = simulator(table, f"--credentials={credentials}", f"--record={recording}")
    with requests.Session() as session:
        answer = session.get(f"{host.url}/t/guarded", auth=("ops", "secret"), timeout=10)
        assert answer.status_code == 200
        assert session.get(f"{host.url}/t/free", timeout=10).status_code == 200
    text = recording.read_text()
    assert stat.S_IMODE(recording.stat().st_mode) == 0o600
    assert json.loads(text)[0]["name"] == "1 GET /t/guarded"
    assert "authorization" not in text.lower()
    assert base64.b64encode(b"ops:secret").decode() not in text


def test_a_recording_follows_no_link_and_waits_for_nobody(table: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    link = tmp_path / "link"
    link.symlink_to(target)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (link, fifo):
        status, said = refused(table, f"--record={path}")
        assert status == 69
        assert f"can't record to {path}" in said
    assert target.read_text() == "precious"


def test_a_login_in_pieces_is_not_recorded_either(
    simulator: Start, table: Path, credentials: Path, tmp_path: Path
) -> None:
    recording = tmp_path / "recording.json"
    host = simulator(table, f"--credentials={credentials}", f"--record={recording}")
    address, port = host.url.removeprefix("http://").split(":")
    with socket.create_connection((address, int(port))) as connection:
        connection.sendall(b"GET /t/guarded HTTP/1.1\r\nHost: localhost\r\nAuthori")
        connection.sendall(b"zation: Basic b3BzOnNlY3JldA==\r\nX: y\r\n\r\n")
        assert b" 200 OK" in connection.recv(4096)
        connection.sendall(b"GET /t/free HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 OK" in connection.recv(4096)
    assert "b3BzOnNlY3JldA" not in recording.read_text()
    assert "X: y" in recording.read_text()
