"""What an error answer says, byte by byte."""

from __future__ import annotations

import json
import re

import pytest

from agentsim.suite.hosts.http_client import Query
from agentsim.suite.hosts.kinds import Host
from agentsim.suite.hosts.memory_use import MIB

clause = pytest.mark.clause
Tagged = list[tuple[str, str]]

ANSWERS: list[tuple[str, str, Query, str]] = [
    ("GET", "/probe/say", {"code": 3, "stderr": "é\n"}, "exit"),
    ("GET", "/probe/signal", {"signal": "TERM"}, "signal"),
    ("GET", "/time/sleep", {}, "timeout"),
    ("GET", "/time/idle", {}, "idle-timeout"),
    ("GET", "/probe/zeros/limited", {"bytes": 200_000}, "output-limit"),
    ("GET", "/broken-missing/run", {}, "start-failed"),
    ("GET", "/probe/argv/rest", {}, "unknown-path"),
    ("GET", "/probe/argv", {"a": 1}, "unknown-parameter"),
    ("GET", "/probe/required", {}, "missing-parameter"),
    ("GET", "/probe/typed", {"number": "x"}, "bad-parameter"),
]
ORDER = [
    *("type", "title", "status", "detail", "request_id"),
    *("exit_code", "signal", "seconds", "stderr"),
]


@clause("ABI-ERR-1", "ABI-ERR-2", "ABI-ERR-3", "ABI-ERR-6")
@pytest.mark.parametrize(("method", "path", "query", "reason"), ANSWERS, ids=lambda v: str(v)[:20])
def test_an_error_answer(
    host: Host, request_id: str, tagged: Tagged, method: str, path: str, query: Query, reason: str
) -> None:
    answer = host.ask(method, path, query, tagged)
    problem = answer.problem
    assert answer.reason == reason
    assert list(problem) == [name for name in ORDER if name in problem]
    assert set(ORDER[:5]) <= set(problem) and not ("exit_code" in problem and "signal" in problem)
    assert problem["request_id"] == request_id
    assert problem["title"].endswith(".") and problem["detail"].endswith(".")
    compact = json.dumps(problem, separators=(",", ":"), ensure_ascii=False)
    if "seconds" in problem:
        seconds = re.search(rb'"seconds":(\d+\.\d{3})[,}]', answer.body)
        assert seconds
        compact = re.sub(r'"seconds":[\d.e-]+', f'"seconds":{seconds[1].decode()}', compact)
    assert answer.text == compact


@clause("ABI-ERR-1", "ABI-ERR-3")
def test_a_body_that_is_too_large_is_such_an_error(host: Host) -> None:
    assert host.post("/probe/count/small", b"x" * 1001).reason == "body-too-large"


@clause("ABI-ERR-4")
def test_the_end_of_standard_error_is_kept(host: Host) -> None:
    long = "".join(f"{number:07}\n" for number in range(1000))
    assert host.get("/probe/say", {"code": 1, "stderr": long}).problem["stderr"] == long[-4096:]
    assert "stderr" not in host.get("/probe/say", {"code": 1}).problem


@clause("ABI-ERR-4")
@pytest.mark.parametrize("more", range(4))
def test_the_cut_is_between_characters(host: Host, more: int) -> None:
    text = "€" * 2000 + "x" * more  # three bytes each
    kept = host.get("/probe/say", {"code": 1, "stderr": text}).problem["stderr"]
    assert kept == "€" * ((4096 - more) // 3) + "x" * more


@clause("ABI-ERR-4", "ABI-OUT-3")
def test_a_line_of_1_mib_is_cut(host: Host) -> None:
    # None of its bytes is text, so each becomes a character of three bytes.
    answer = host.get("/probe/invalid-noise", {"bytes": MIB})
    assert answer.problem["stderr"] == "\ufffd" * (4096 // 3)


@clause("ABI-ERR-5")
def test_what_is_escaped_and_how(host: Host) -> None:
    text = "".join(map(chr, range(1, 0x20))) + "\"\\/\x7fé€😀\u2028<>&'"
    answer = host.get("/probe/say", {"code": 1, "stderr": text})
    short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}
    expected = "".join(short.get(c, f"\\u{c:04x}") for c in range(1, 0x20))
    expected += "\\\"\\\\/\x7fé€😀\u2028<>&'"
    assert f'"stderr":"{expected}"'.encode() in answer.body
    assert answer.problem["stderr"] == text


@clause("ABI-ERR-5", "ABI-STREAM-8")
def test_the_exit_record_is_escaped_in_the_same_way(host: Host) -> None:
    answer = host.get("/stream/say", {"code": 1, "stdout": "x", "stderr": '"\\\n\x01é/'})
    assert '"stderr":"\\"\\\\\\n\\u0001é/"}\n'.encode() in answer.body


@clause("ABI-ERR-7", "ABI-HTTP-4")
@pytest.mark.parametrize(
    "query",
    [
        "number=%0d%0aX-Evil:1",
        "number=<script>",
        "%0d%0aX-Evil:1=1",
        "<script>=1",
        "number=1&timeout=%0d%0aX-Evil:1",
        "enum=evil",
        "url=evil",
    ],
)
def test_nothing_that_was_sent_comes_back(host: Host, query: str) -> None:
    answer = host.get(f"/probe/typed?{query}", headers=[("X-Request-Id", "evil<script>")])
    assert answer.status == 400
    assert answer.head.get("X-Evil") is None
    assert b"<script>" not in answer.body and b"evil" not in answer.body.replace(b"X-Evil", b"")
    assert b"\\r" not in answer.body and b"\\n" not in answer.body


@clause("ABI-ERR-7")
def test_an_unknown_key_comes_back_encoded_and_cut(host: Host) -> None:
    detail = host.get("/probe/typed?%3Cb%3E%0a=1").problem["detail"]
    assert "%3Cb%3E%0A" in detail
    detail = host.get("/probe/typed?" + "k" * 1000 + "=1").problem["detail"]
    assert "k" * 64 in detail and "k" * 65 not in detail
