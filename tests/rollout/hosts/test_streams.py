"""Streams of hosts: the last line is the exit record, however the bytes are cut into pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rollout.hosts.streams import ExitRecord, Malformed, StreamReader

RECORD: dict[str, Any] = json.loads(
    '{"abi":1,"record":"exit","request_id":"r1","exit_code":0,"signal":null,"reason":"exit",'
    '"seconds":0.138,"stderr":""}'
)
EVENTS = st.lists(
    st.just(RECORD) | st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5)),
    max_size=6,
)


def encoded(documents: list[Any]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in documents)


@given(EVENTS, st.lists(st.integers(1, 40), min_size=1))
def test_events_come_in_order_and_the_record_last(events: list[Any], sizes: list[int]) -> None:
    reader, told = StreamReader(), []
    left, at = encoded([*events, RECORD]), 0
    while left:
        size = sizes[at % len(sizes)]
        told += reader.feed(left[:size])
        left, at = left[size:], at + 1
    assert told == events
    assert reader.ended == ExitRecord("r1", 0, "exit", "")


@given(EVENTS, st.data())
def test_a_cut_stream_says_nothing_of_its_end(events: list[Any], data: st.DataObject) -> None:
    whole = encoded([*(each for each in events if each != RECORD), RECORD])
    reader = StreamReader()
    reader.feed(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert reader.ended is None


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 500 Oops\r\n", b"[1]\n", b"\n", b"\xff\n", b"x" * (1 << 21)]
)
def test_what_is_no_stream(line: bytes) -> None:
    with pytest.raises(Malformed):
        StreamReader().feed(line)


@pytest.mark.parametrize(
    "changed", [{"abi": 2}, {"record": "end"}, {"exit_code": True}, {"stderr": None}]
)
def test_what_only_looks_like_an_exit_record(changed: dict[str, Any]) -> None:
    reader = StreamReader()
    reader.feed(encoded([{**RECORD, **changed}]))
    assert reader.ended is None
