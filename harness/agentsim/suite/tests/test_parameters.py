"""What a value may be: each type of parameter, its edges, and what is said of a mistake."""

from __future__ import annotations

import re

import pytest

from agentsim.suite.hosts.http_client import Query
from agentsim.suite.hosts.kinds import Host

clause = pytest.mark.clause
BIG = 2**53 - 1


def taken(host: Host, name: str, value: str | bytes) -> list[bytes]:
    """What becomes of a value of /probe/typed that is allowed."""
    return host.get("/probe/typed", {name: value}).arguments


def refused(host: Host, name: str, value: str | bytes) -> bool:
    """Whether a value of /probe/typed is refused, by the name of its parameter."""
    answer = host.get("/probe/typed", {name: value})
    if answer.status == 200:
        return False
    assert (answer.status, answer.reason) == (400, "bad-parameter")
    assert name in answer.problem["detail"]
    return True


@clause("ABI-PARAM-1")
@pytest.mark.parametrize(("query", "missing"), [({}, "a"), ({"a": "1"}, "b"), ({"b": "1"}, "a")])
def test_a_required_parameter_is_missed(host: Host, query: Query, missing: str) -> None:
    answer = host.get("/probe/required", query)
    assert (answer.status, answer.reason) == (400, "missing-parameter")
    assert missing in re.findall(r"\w+", answer.problem["detail"])


@clause("ABI-PARAM-1")
def test_a_required_parameter_in_the_path_is_missed(host: Host) -> None:
    assert host.get("/probe/path").reason == "missing-parameter"
    assert host.get("/probe/path/").reason == "missing-parameter"


@clause("ABI-PARAM-2")
def test_a_mistake_is_told_with_what_is_needed(host: Host) -> None:
    answer = host.get("/probe/typed", {"small": "11"})
    assert (answer.status, answer.reason) == (400, "bad-parameter")
    detail = answer.problem["detail"]
    assert all(word in detail for word in ("small", "-5", "10"))


@clause("ABI-PARAM-3")
def test_a_string_has_a_length_in_bytes(host: Host) -> None:
    assert refused(host, "short", "a")
    assert taken(host, "short", "ab") == [b"--short=ab"]
    assert taken(host, "short", "éé") == ["--short=éé".encode()]
    assert refused(host, "short", "ééa")
    assert refused(host, "text", "")
    assert len(taken(host, "text", "x" * 4096)[0]) == 4096 + len("--text=")
    assert refused(host, "text", "x" * 4097)


@clause("ABI-PARAM-3")
@pytest.mark.parametrize(
    "value",
    [
        b"a\0b",
        b"\0",
        b"\xff\xfe",
        b"\xc3",  # cut
        b"\xc0\xaf",  # overlong
        b"\xe0\x80\xaf",  # overlong
        b"\xed\xa0\x80",  # a surrogate
        b"\xf4\x90\x80\x80",  # beyond Unicode
        b"\x80",
        b"ab\xe9",  # Latin-1
    ],
)
def test_what_is_no_text_is_refused(host: Host, value: bytes) -> None:
    assert refused(host, "any", value)


@clause("ABI-PARAM-4")
@pytest.mark.parametrize(
    ("name", "allowed", "refused_"),
    [
        ("text", ["é€😀", "a b", "\u0085"], ["a\nb", "\x1f", "\x7f", "\t", "\x1b[31m"]),
        ("ascii", [" ~", "a b"], ["é", "\x7f", "\n"]),
        ("any", ["a\nb", "\x01\x7f", "é"], []),
        ("hex", ["abcdef0123456789"], ["g", "A", "-", " ", "é"]),
    ],
)
def test_characters_are_limited(
    host: Host, name: str, allowed: list[str], refused_: list[str]
) -> None:
    for value in allowed:
        assert taken(host, name, value) == [f"--{name}={value}".encode()]
    for value in refused_:
        assert refused(host, name, value), value


@clause("ABI-PARAM-5")
def test_three_characters_with_a_dash_are_a_range_if_they_can_be(host: Host) -> None:
    # "z-a" is three characters, "0-1" a range, "+-" two characters.
    for value in ("z", "a", "-", "0", "1", "+"):
        assert taken(host, "dash", value) == [f"--dash={value}".encode()]
    for value in ("b", "y", "2", "."):
        assert refused(host, "dash", value), value


@clause("ABI-PARAM-6")
def test_a_value_has_one_of_the_prefixes(host: Host) -> None:
    for value in ("https://a", "http://", "http://a/https://"):
        assert taken(host, "url", value) == [f"--url={value}".encode()]
    for value in ("file:///etc/passwd", "HTTP://a", "http:/a", " http://a", "-http://a"):
        assert refused(host, "url", value), value


@clause("ABI-PARAM-7")
def test_an_integer_is_written_in_one_way(host: Host) -> None:
    for value in ("0", "7", "-1", str(BIG), str(-BIG)):
        assert taken(host, "number", value) == [f"--number={value}".encode()]
    for value in (
        *("", "-", "-0", "+1", "01", "-01", " 1", "1 ", "1.0", "1e3", "0x1", "١", "1\n"),  # noqa: RUF001
        *(str(BIG + 1), str(-BIG - 1), str(2**64), "9" * 1000),
    ):
        assert refused(host, "number", value), value
    for value, allowed in {"-5": True, "10": True, "-6": False, "11": False}.items():
        assert refused(host, "small", value) is not allowed


@clause("ABI-PARAM-8", "ABI-ARGV-3")
def test_a_boolean_becomes_its_flag_or_nothing(host: Host) -> None:
    for value in ("true", "1", ""):
        assert taken(host, "flag", value) == [b"--flag"]
    for value in ("false", "0"):
        assert taken(host, "flag", value) == []
    for value in ("True", "yes", "2", "on", " ", "TRUE", "00"):
        assert refused(host, "flag", value), value


@clause("ABI-PARAM-9")
def test_an_enum_is_exact(host: Host) -> None:
    for value in ("json", "table", "a b"):
        assert taken(host, "enum", value) == [f"--enum={value}".encode()]
    for value in ("", "JSON", "jso", "jsonx", " json", "json "):
        assert refused(host, "enum", value), value


@clause("ABI-PARAM-10", "ABI-ARGV-4")
def test_a_list_is_judged_item_by_item(host: Host) -> None:
    assert taken(host, "numbers", "1,2") == [b"--numbers=1", b"--numbers=2"]
    assert taken(host, "numbers", "3,2,1") == [b"--numbers=3", b"--numbers=2", b"--numbers=1"]
    for value in ("1", "", "1,2,3,4", "1,,2", "1,2,", "1,100", "1,x", "1, 2"):
        assert refused(host, "numbers", value), value
    assert taken(host, "enums", "off,on") == [b"--enums=off", b"--enums=on"]
    assert refused(host, "enums", "on,ON")


@clause("ABI-PARAM-11")
@pytest.mark.parametrize(
    ("rest", "value"),
    [
        ("a%20b", b"a b"),
        ("a+b", b"a+b"),
        ("%2Fetc", b"/etc"),
        ("%2e%2e", b".."),
        ("a%2525", b"a%25"),
        ("%C3%A9", "é".encode()),
        ("a/b", b"a/b"),
        ("/a", b"/a"),
        ("-rf", b"-rf"),
    ],
)
def test_a_parameter_in_the_path_is_decoded_once(host: Host, rest: str, value: bytes) -> None:
    assert host.get(f"/probe/path/{rest}").arguments[-2:] == [b"--", value]


@clause("ABI-PARAM-11")
@pytest.mark.parametrize("rest", ["%", "a%4", "%zz", "%00", "a%00b", "%FF"])
def test_a_malformed_path_is_refused(host: Host, rest: str) -> None:
    answer = host.get(f"/probe/path/{rest}")
    assert (answer.status, answer.reason) == (400, "bad-parameter")
    assert host.get(f"/probe/path/any/{rest}").status == 400


@clause("ABI-PARAM-12")
def test_the_mistake_that_is_told_does_not_depend_on_the_order(host: Host) -> None:
    mistakes = ["small=x", "enum=x", "timeout=x", "b=1", "a=1"]
    for count, reason, named in (
        (5, "unknown-parameter", '"a"'),
        (4, "unknown-parameter", '"b"'),
        (3, "bad-parameter", '"timeout"'),
        (2, "bad-parameter", '"enum"'),
        (1, "bad-parameter", '"small"'),
    ):
        first = host.get("/probe/typed?" + "&".join(mistakes[:count]))
        second = host.get("/probe/typed?" + "&".join(reversed(mistakes[:count])))
        assert first.reason == second.reason == reason
        assert first.problem["detail"] == second.problem["detail"]
        assert named.strip('"') in first.problem["detail"]
    # an unknown path comes before everything, an unknown key before a malformed path
    assert host.get("/probe/typed/rest?a=1").reason == "unknown-path"
    assert host.get("/probe/path/%zz?a=1").reason == "unknown-parameter"
    answer = host.get("/probe/path/%zz?timeout=x")
    assert "timeout" not in answer.problem["detail"]
