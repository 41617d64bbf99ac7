"""The request parser against what a real libprocess accepts, refuses and understands."""

from __future__ import annotations

import gzip

import pytest
from agentsim.wire.request_parser import MAX_HEAD_BYTES, Parser, Request
from hypothesis import example, given
from hypothesis import strategies as st


class Heard:
    """Notes what the parser tells."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.bodies: list[bytes] = []
        self.ends: list[str] = []

    def on_request(self, request: Request) -> None:
        self.requests.append(request)
        self.bodies.append(b"")
        self.ends.append("open")

    def takes_body(self) -> bool:
        return True

    def on_body(self, data: bytes) -> None:
        self.bodies[-1] += data

    def on_end(self) -> None:
        self.ends[-1] = "end"

    def on_body_failure(self, reason: str) -> None:
        self.ends[-1] = reason


def hear(*pieces: bytes) -> tuple[Heard, bool]:
    """Feed pieces; returns what was heard and whether the connection stays open."""
    heard = Heard()
    parser = Parser(heard)
    return heard, all(_take(parser, piece) for piece in pieces)


def _take(parser: Parser, piece: bytes) -> bool:
    is_open = parser.feed(piece)
    while is_open and parser.unread:
        is_open = parser.advance()
    return is_open


def facts(*pieces: bytes) -> tuple[object, ...]:
    heard, is_open = hear(*pieces)
    requests = [
        (r.method, r.path, tuple(r.query.items()), tuple(r.headers.items()), r.keep_alive)
        for r in heard.requests
    ]
    return requests, heard.bodies, heard.ends, is_open


# Each line was sent to a libprocess, which answered (accepted) or closed the connection (refused).
ACCEPTED = [
    b"GET /a HTTP/1.1\n\n",
    b"\r\n\n\r\nGET /a HTTP/1.1\r\n\r\n",
    b"GET    /a    HTTP/1.1\r\n\r\n",
    b"GET /a\r\n\r\n",
    b"GET /a HXXX?1.1\r\n\r\n",
    b"GET /a HTTP/9.9\r\n\r\n",
    b"GET /a HTTP/1.0001\r\n\r\n",
    b"GET http://u:p@h.x:80/a HTTP/1.1\r\n\r\n",
    b"GET http://[::1]:5/a HTTP/1.1\r\n\r\n",
    b"CONNECT /a HTTP/1.1\r\n\r\n",
    b"GET * HTTP/1.1\r\n\r\n",
    b"GET /a\x0c\t\xff HTTP/1.1\r\n\r\n",
    b"GET /a HTTP/1.1\r\nX A : 1\r\n\r\n",
    b"GET /a HTTP/1.1\r\n Lead: 1\r\n\r\n",
    b"GET /a HTTP/1.1\r\nX: ab\x01c\r\n\r\n",
    b"GET /a HTTP/1.1\r\nX: \x01\r\n\r\n",
    b"GET /a HTTP/1.1\r\nX: 1\r\n\rA",
    b"POST /a HTTP/1.1\r\nContent-Length: 1 0\r\n\r\n0123456789",
    b"POST /a HTTP/1.1\r\nContent-Length:\r\n\r\n",
]
REFUSED = [
    b"get /a HTTP/1.1\r\n\r\n",
    b"GETT /a HTTP/1.1\r\n\r\n",
    b"GET a HTTP/1.1\r\n\r\n",
    b"GET /a\x00 HTTP/1.1\r\n\r\n",
    b"GET /a\x7f HTTP/1.1\r\n\r\n",
    b"GET /a HTTP/0.9\r\n\r\n",
    b"GET /a HTTP/1.1000\r\n\r\n",
    b"GET /a HTTP/1000.1\r\n\r\n",
    b"GET /a HTTP/1.1 \r\n\r\n",
    b"GET /a http/1.1\r\n\r\n",
    b"GET http:///a HTTP/1.1\r\n\r\n",
    b"GET http://h:99999/a HTTP/1.1\r\n\r\n",
    b"GET http://a@@b/a HTTP/1.1\r\n\r\n",
    b"CONNECT h:80 HTTP/1.1\r\n\r\n",
    b"GET /a?%zz HTTP/1.1\r\n\r\n",
    b"GET /a HTTP/1.1\r\ngarbage\r\n\r\n",
    b"GET /a HTTP/1.1\r\nX(A): 1\r\n\r\n",
    b"GET /a HTTP/1.1\r\n: 1\r\n\r\n",
    b"GET /a HTTP/1.1\r\nX: a\x01b\r\n\r\n",
    b"GET /a HTTP/1.1\r\nX: 1\rY: 2\r\n\r\n",
    b"POST /a HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /a HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nContent-Length: 05x\r\n\r\nhello",
    b"POST /a HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /a HTTP/1.1\r\nContent-Length: 5\r\n 0\r\n\r\nhello",
]


@pytest.mark.parametrize("text", ACCEPTED, ids=repr)
def test_accepts_what_libprocess_accepts(text: bytes) -> None:
    heard, is_open = hear(text)
    assert is_open
    assert heard.ends == ["end"]


@pytest.mark.parametrize("text", REFUSED, ids=repr)
def test_closes_where_libprocess_closes(text: bytes) -> None:
    heard, is_open = hear(text)
    assert not is_open
    assert heard.ends == []


@pytest.mark.parametrize("text", REFUSED, ids=repr)
def test_a_refusal_needs_no_byte_more_than_the_bad_one(text: bytes) -> None:
    pieces = [text[i : i + 1] for i in range(len(text))]
    heard, is_open = hear(*pieces)
    assert not is_open
    assert heard.ends == []


@pytest.mark.parametrize(
    ("line", "keeps"),
    [
        (b"1.1", True),
        (b"1.0", False),
        (b"2.0", False),
        (b"2.1", True),
        (b"1.0\r\nConnection: keep-alive", True),
        (b"1.1\r\nConnection: close", False),
        (b"1.1\r\nProxy-Connection: close", False),
        (b"1.1\r\nConnection: x , close", False),
        (b"1.1\r\nConnection: ,close", True),
        (b"1.1\r\nConnection: x,\tclose", True),
        (b"1.1\r\nConnection: closex", True),
        (b"1.1\r\nConnection: close\t", True),
        (b"1.1\r\nConnection: close\r\n ", True),
        (b"1.1\r\nConnection: x,\r\n close", False),
        (b"1.0\r\nConnection: keep-alive, close", True),
    ],
)
def test_keeps_the_connection_as_libprocess_does(line: bytes, keeps: bool) -> None:
    heard, _ = hear(b"GET /a HTTP/" + line + b"\r\n\r\n")
    assert [request.keep_alive for request in heard.requests] == [keeps]


@pytest.mark.parametrize(
    ("value", "body"),
    [
        (b"chunked", b"hello"),
        (b"CHUNKED  ", b"hello"),
        (b"gzip, chunked", b""),
        (b"chunked\r\n ", b""),
    ],
)
def test_reads_chunks_only_behind_exactly_chunked(value: bytes, body: bytes) -> None:
    heard, _ = hear(
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: " + value + b"\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n"
    )
    assert heard.bodies[0] == body


@pytest.mark.parametrize(
    "chunks", [b"zz\r\n", b"5\r\nhello\r\n0\r\nX: 1\r\n\r\n", b"5\t\r\n", b"f" * 17 + b"\r\n"]
)
def test_a_bad_chunk_fails_the_body_and_the_next_read_the_connection(chunks: bytes) -> None:
    head = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    heard, is_open = hear(head + chunks)
    assert (heard.ends, is_open) == (["failed to decode body"], True)
    heard, is_open = hear(head + chunks, b"x")
    assert (heard.ends, is_open) == (["failed to decode body"], False)


def test_a_gzip_body_is_decompressed_and_its_faults_are_named() -> None:
    packed = gzip.compress(b"hello" * 1000)

    def send(body: bytes) -> tuple[list[bytes], list[str]]:
        head = b"POST /a HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(
            body
        )
        heard, _ = hear(head + body)
        return heard.bodies, heard.ends

    assert send(packed) == ([b"hello" * 1000], ["end"])
    assert send(packed[:-9])[1] == ["Failed to decompress body"]
    assert send(b"nonsense")[1] == ["failed to decode body"]
    assert send(packed + b"more")[1] == ["failed to decode body"]


def test_a_fault_in_the_last_bytes_of_a_read_shows_with_the_next() -> None:
    head = b"POST /a HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n"
    heard, is_open = hear(head + b"nonsen")
    assert (heard.ends, is_open) == (["open"], True)
    heard, is_open = hear(head + b"nonsen", b"s")
    assert (heard.ends, is_open) == (["failed to decode body"], False)
    heard, is_open = hear(head, b"nonsen")
    assert (heard.ends, is_open) == (["open"], False)


def test_a_head_of_80_kib_is_the_largest() -> None:
    frame = b"GET /a HTTP/1.1\r\nX: \r\n\r\n"
    largest = frame.replace(b"X: ", b"X: " + b"x" * (MAX_HEAD_BYTES - len(frame)))
    assert hear(largest)[1]
    assert not hear(largest.replace(b"X: ", b"X: x"))[1]


def test_the_parts_of_a_target_are_cut_to_16_bits() -> None:
    heard, _ = hear(b"GET /a?b=" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n")
    assert heard.requests[0].query == {b"b": b"x" * (70_002 % 65_536 - 2)}


_TOKENS = st.sampled_from(
    [*ACCEPTED, *REFUSED, b"\r\n", b"\n", b"GET /a HTTP/1.1\r\n", b"X: y\r\n", b"Connection: close"]
)


@given(st.lists(st.one_of(_TOKENS, st.binary(max_size=12)), max_size=5).map(b"".join))
@example(b"GET /a HTTP/1.1\r\nConnection: cl\x00ose\r\n\r\n")
def test_anything_at_all_is_heard_or_refused(text: bytes) -> None:
    heard, _ = hear(text)
    assert len(heard.requests) == len(heard.bodies) == len(heard.ends)
    assert "open" not in heard.ends[:-1]


@given(st.sampled_from(ACCEPTED), st.data())
def test_how_a_request_is_cut_into_reads_does_not_matter(text: bytes, data: st.DataObject) -> None:
    # Except in a value's control characters, which libprocess looks for once in every read.
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True) if a < b]
    if b"\x01" not in text:
        assert facts(*pieces) == facts(text)


def test_a_turn_takes_some_of_many_chunks() -> None:
    heard = Heard()
    parser = Parser(heard)
    parser.feed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    parser.feed(b"1\r\na\r\n" * 10_000)
    assert 0 < len(heard.bodies[0]) < 1000
    while parser.unread:
        assert parser.advance()
    assert heard.bodies == [b"a" * 10_000]
