"""What the command's arguments are made of, and what never becomes one."""

from __future__ import annotations

import pytest

from agentsim.suite.hosts.kinds import Host

clause = pytest.mark.clause

EVIL = [
    "$(id)",
    "`id`",
    "; id",
    "| id",
    "&& id",
    "'\"",
    "\\",
    "*",
    "~",
    "a b",
    "a\nb",
    "\t",
    "${HOME}",
    "%s%n",
    "<>",
    "!!",
    "#",
    "\x01",
    "é😀",
    "{text}",
]


@clause("ABI-ARGV-1", "ABI-ARGV-2", "ABI-TABLE-10")
def test_literals_come_in_order_behind_the_command(host: Host) -> None:
    answer = host.get("/probe/argv/fixed")
    words = answer.body[:-1].split(b"\0")
    assert words[0] == b"/bin/sh" and words[1].endswith(b"/commands/probe")
    assert words[2:] == [b"argv", b"$(id)", b"two words", b"*", b"--", b"-x"]


@clause("ABI-ARGV-1", "ABI-ARGV-4")
def test_elements_come_in_the_order_of_the_table(host: Host) -> None:
    query = "operands=y,z&operand=x&items=1,2&number=3&flag=1&text=t"
    assert host.get(f"/probe/argv?{query}").arguments == [
        *(b"--text=t", b"--flag", b"--number=3", b"--item=1", b"--item=2"),
        *(b"--", b"x", b"y", b"z"),
    ]


@clause("ABI-ARGV-2", "ABI-ARGV-6")
@pytest.mark.parametrize("value", EVIL)
def test_values_arrive_as_they_are(host: Host, value: str) -> None:
    query = {"text": value, "items": value, "operand": value, "operands": value}
    raw = value.encode()
    assert host.get("/probe/argv", query).arguments == [
        *(b"--text=" + raw, b"--item=" + raw, b"--", raw, raw)
    ]


@clause("ABI-ARGV-3")
def test_what_is_not_given_is_dropped(host: Host) -> None:
    assert host.get("/probe/argv").arguments == [b"--"]
    assert host.get("/probe/argv", {"flag": "false"}).arguments == [b"--"]
    assert host.get("/probe/argv", {"text": ""}).arguments == [b"--text=", b"--"]


@clause("ABI-ARGV-4")
def test_empty_items_are_items(host: Host) -> None:
    assert host.get("/probe/argv", {"items": ",a,"}).arguments == [
        *(b"--item=", b"--item=a", b"--item=", b"--")
    ]
    assert host.get("/probe/argv", {"operands": ""}).arguments == [b"--", b""]


@clause("ABI-ARGV-5")
@pytest.mark.parametrize("value", ["-rf", "--help", "--", "-", "--text=x", "-\n"])
def test_no_value_becomes_an_option(host: Host, value: str) -> None:
    query = {"text": value, "items": value, "operand": value, "operands": value}
    words = host.get("/probe/argv", query).arguments
    end = words.index(b"--")
    raw = value.encode()
    assert words[:end] == [b"--text=" + raw, b"--item=" + raw]
    assert words[end + 1 :] == [raw, raw]


@clause("ABI-ARGV-6")
@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("text=%2541", b"--text=%41"),
        ("text=%2B", b"--text=+"),
        ("text=+", b"--text= "),
        ("text=%253B", b"--text=%3B"),
        ("text=%26amp%3B", b"--text=&amp;"),
        ("text=\\x41", b"--text=\\x41"),
    ],
)
def test_escapes_are_decoded_exactly_once(host: Host, query: str, word: bytes) -> None:
    assert host.get(f"/probe/argv?{query}").arguments[0] == word


@clause("ABI-ARGV-7")
@pytest.mark.parametrize("query", ["-s+x", "-s", "--flag", "+-d+allow_url_include", "-n%20-h"])
def test_a_query_without_an_equals_sign_is_no_argument(host: Host, query: str) -> None:
    assert host.get(f"/probe/argv?{query}").reason == "unknown-parameter"
    assert host.get(f"/probe/argv?text=a&{query}").reason == "unknown-parameter"
    assert host.get(f"/probe/argv?text={query}").arguments[0].startswith(b"--text=")
