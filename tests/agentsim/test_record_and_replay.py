"""`serve --record` and `agentsim replay`: what was said, said again to another host."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from agentsim.files.recording_format import Answer, normal, same

from tests.conftest import Simulator
from tests.support.shell_table import shell_table

Start = Callable[..., Simulator]

SCRIPT = r"""
case $1 in
say) echo "said $SAID" ;;
fail) echo "failed" >&2; exit 65 ;;
steps) echo one; sleep 0.05; echo two ;;
large) head -c 200000 /dev/zero | tr '\0' x ;;
bytes) printf '\377\000\n' ;;
cat) exec cat ;;
esac
"""
TEXT = {"response": {"type": "text/plain"}}


def _table(directory: Path) -> Path:
    return shell_table(
        directory,
        SCRIPT,
        *({"path": f"/{name}", **TEXT} for name in ("say", "fail", "large", "bytes")),
        {"path": "/steps", "response": {"delivery": "stream"}},
        {"path": "/cat", "method": "POST", "stdin": "body", "max_body": 1 << 20, **TEXT},
    )


def _replay(file: Path, url: str, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "agentsim", "replay", str(file), url, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def _raw(host: Simulator, *pieces: bytes) -> bytes:
    parts = urlsplit(host.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as client:
        for piece in pieces:
            client.sendall(piece)
        client.settimeout(0.3)
        data = b""
        try:
            while more := client.recv(65536):
                data += more
        except TimeoutError:
            pass
        return data


@pytest.fixture
def recorded(simulator: Start, tmp_path: Path) -> tuple[Simulator, Path]:
    file = tmp_path / "recording.json"
    host = simulator(_table(tmp_path), f"--record={file}", "--environment=SAID=this")
    with requests.Session() as session:
        for path in ("say", "fail", "steps", "large", "bytes", "nothing", "say?x=1"):
            session.get(f"{host.url}/t/{path}", timeout=10)
        session.post(f"{host.url}/t/cat", data=b"\xff" * 100_000, timeout=10)
    pipelined = b"GET /t/say HTTP/1.1\r\n\r\nGET /t/fail HTTP/1.1\r\n\r\n"
    assert _raw(host, pipelined).count(b"HTTP/1.1 ") == 2
    assert _raw(host, b"NONSENSE\r\n\r\n") == b""
    return host, file


def test_the_recording_is_whole_json_at_any_time(recorded: tuple[Simulator, Path]) -> None:
    _, file = recorded
    items = json.loads(file.read_bytes())
    assert [item["name"] for item in items] == [
        *("1 GET /t/say", "2 GET /t/fail", "3 GET /t/steps", "4 GET /t/large", "5 GET /t/bytes"),
        *("6 GET /t/nothing", "7 GET /t/say?x=1", "8 POST /t/cat", "9 GET /t/say", "10"),
    ]
    assert "\r\nDate: <date>\r\n" in items[0]["answer"]["text"]
    assert items[0]["answer"]["text"].endswith("\r\n\r\nsaid this\n")
    assert items[0]["send"][0].startswith("GET /t/say HTTP/1.1\r\n")
    assert len(items[3]["answer"]["text"]) > 200_000
    assert "base64" in items[4]["answer"]
    assert [item["server_closed"] for item in items] == [False] * 9 + [True]


def test_the_same_host_answers_the_same(recorded: tuple[Simulator, Path]) -> None:
    host, file = recorded
    copy = file.with_suffix(".copy")
    copy.write_bytes(file.read_bytes())  # the replay is recorded, too
    status, text = _replay(copy, host.url)
    assert (status, text) == (0, "10 of 10 exchanges are the same\n")


def test_another_host_differs(
    recorded: tuple[Simulator, Path], simulator: Start, tmp_path: Path
) -> None:
    _, file = recorded
    other = simulator(_table(tmp_path), "--environment=SAID=that")
    status, text = _replay(file, other.url)
    assert status == 1
    assert "recorded/1 GET /t/say: differs" in text
    assert "\n  -said this\n  +said that\n" in text
    assert "recorded/2 GET /t/fail" not in text
    assert text.endswith("8 of 10 exchanges are the same, 2 differ\n")
    assert _replay(file, other.url, "--only=GET /t/fail") == (
        0,
        "1 of 1 exchanges are the same\n",
    )


def test_what_can_not_be_replayed(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = "http://{}:{}".format(*unused.getsockname())
        file = tmp_path / "file"
        assert _replay(file, url)[0] == 66
        for text in ("{}", "[1]", '[{"name": "x"}]', "[", '[{"name": "x", "send": [1]}]'):
            file.write_text(text)
            status, said = _replay(file, url)
            assert status == (65 if text != "{}" else 0)
            assert "Traceback" not in said
        file.write_text('[{"name":"x","send":["y"],"answer":{"text":""},"server_closed":true}]')
        assert _replay(file, url)[0] == 69
        assert _replay(file, "ftp://x")[0] == 64


def _answer(body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"Date: Mon, 23 Nov 2026 20:19:48 GMT", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def test_only_what_differs_every_time_is_masked() -> None:
    def pair(one: bytes, two: bytes, *headers: bytes) -> bool:
        lengths = [b"Content-Length: %d" % len(body) for body in (one, two)]
        answers = [
            Answer(_answer(body, length, *headers), server_closed=False)
            for body, length in zip((one, two), lengths, strict=True)
        ]
        return same(*answers)

    assert pair(b'{"seconds":1.5}', b'{"seconds":10.25}')
    assert pair(b'"request_id":"0123456789abcdef"', b'"request_id":"fedcba9876543210"')
    assert not pair(b'"request_id":"mine"', b'"request_id":"yours"')
    assert not pair(b'{"seconds":1.5,"a":1}', b'{"seconds":1.5,"a":2}')
    assert not pair(b"a", b"aa")
    chunked = b"Transfer-Encoding: chunked"
    one = _answer(b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", chunked)
    two = _answer(b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", chunked)
    cut = _answer(b"1\r\na\r\n2\r\nbc\r\n", chunked)
    assert same(Answer(one, False), Answer(two, False))
    assert not same(Answer(one, False), Answer(two, True))
    assert not same(Answer(one, False), Answer(cut, False))
    assert normal(one + two) == normal(one) + normal(two)
    assert same(Answer(_answer(b"<body>", chunked), False), Answer(one, False))
