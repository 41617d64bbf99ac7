"""The index's text: what is written is read, and nothing else is believed."""

from __future__ import annotations

import json
import tracemalloc
from contextlib import suppress
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packager.base.errors import DataError
from packager.package.package_id import flaw
from packager.repositories import index_format
from packager.repositories.index_format import Package, decode, encode, location, path_flaw

SHA = "0123456789abcdef" * 4
ENTRY: dict[str, object] = {
    "id": "hello--1.0",
    "path": "hello--1.0.tar.xz",
    "size": 17,
    "sha256": SHA,
    "tree": None,
    "pkginfo": None,
}


def index(*entries: object, **more: object) -> bytes:
    return json.dumps({"index": 1, "packages": entries, **more}).encode()


def test_what_is_written_is_read() -> None:
    first = Package(
        "b--1:2", "x/b--1:2.tar", size=9, sha256=SHA, tree=SHA, pkginfo={"a": "ü\u2028"}
    )
    second = Package("a+@_--1", "a.tar", size=1, sha256=SHA, tree=None, pkginfo=None)
    content = encode([first, second])
    assert content == encode([second, first])
    assert content.count(b"\n") == 4  # one a line
    read = decode(content)
    assert list(read) == ["a+@_--1", "b--1:2"]
    assert read["b--1:2"].document() == first.document()
    assert decode(encode([])) == {}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"id": "hello"}, "/packages/0/id"),
        ({"id": 1}, "/packages/0/id"),
        ({"id": "../x--1"}, "/packages/0/id"),
        ({"id": "x--1\n"}, "/packages/0/id"),
        *(
            ({"path": path}, "/packages/0/path")
            for path in (
                *("", "/etc/passwd", "../x.tar", "a/../../x.tar", "a/./x.tar", ".x", "a//b"),
                *("http://evil.example/x.tar", "//evil.example/x.tar", "a\\b", "a%2e%2e/b"),
                *("a?b", "a#b", "a b", "a\nb", "ü.tar", "a\0b", "x" * 1025, "a/"),
            )
        ),
        ({"path": None}, "/packages/0/path"),
        ({"size": -1}, "/packages/0/size"),
        ({"size": 0}, "/packages/0/size"),
        ({"size": 1 << 53}, "/packages/0/size"),
        ({"size": 1.5}, "/packages/0/size"),
        ({"size": True}, "/packages/0/size"),
        ({"size": "1"}, "/packages/0/size"),
        ({"sha256": SHA.upper()}, "/packages/0/sha256"),
        ({"sha256": SHA[:-1]}, "/packages/0/sha256"),
        ({"sha256": SHA + "\n"}, "/packages/0/sha256"),
        ({"tree": ""}, "/packages/0/tree"),
        ({"pkginfo": []}, "/packages/0/pkginfo"),
    ],
)
def test_errors_name_their_place(change: dict[str, object], place: str) -> None:
    with pytest.raises(DataError, match=place):
        decode(index({**ENTRY, **change}))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"<html>", "not JSON"),
        (b"[]", "not an object"),
        (b"{}", "/index"),
        (b'{"index":2,"packages":[]}', "/index"),
        (b'{"index":true,"packages":[]}', "/index"),
        (b'{"index":1}', "/packages"),
        (b'{"index":1,"packages":{}}', "/packages"),
        (b'{"index":1,"index":1,"packages":[]}', "twice"),
        (b'{"index":1,"packages":[{"id":"a--1","id":"b--1"}]}', "twice"),
        (index(1), "/packages/0"),
        (index(ENTRY, ENTRY), "/packages/1/id: hello--1.0 is given twice"),
        (b'{"index":1,"packages":[],"x":' + b"9" * 5000 + b"}", "digits"),
        (b'{"index":1,"packages":[],"x":1e999}', "too large"),
        (b'{"index":1,"packages":[],"x":NaN}', "NaN"),
        (b'{"index":1,"packages":[],"x":"\\ud800"}', "not JSON"),
        (b'{"index":1,"packages":[],"x":"\\uD83D\\uDE00\\ude00"}', "half a character"),
        (b'{"index":1,"packages":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "deep"),
        (index(ENTRY)[:-9], "not JSON"),
    ],
)
def test_hostile_documents(content: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        decode(content)


def test_escapes_of_whole_characters_are_text() -> None:
    """A pair of surrogates, and a backslash before what only looks like one."""
    assert decode(b'{"index":1,"packages":[],"x":"\\uD83D\\uDE00 \\\\ud800"}') == {}


@pytest.mark.parametrize("many", [b'{"":0},', b"[],", b"{},", b'"a",', b"1,"])
def test_an_index_that_would_fill_the_memory_is_refused_before_it_does(many: bytes) -> None:
    most = index_format.MAX_INDEX_BYTES // 2 // len(many)
    content = b'{"index":1,"packages":[],"x":[' + many * most + b"0]}"
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="MiB in memory"):
            decode(content)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_the_largest_index_of_packages_is_read() -> None:
    """As many packages as are allowed, with a wide character among them."""
    package = index_format.Package(
        "package--1.0", "p", size=1, sha256=SHA, tree=SHA, pkginfo={"description": "\U0001f600"}
    )
    line = index_format.encode([package]).splitlines()[1]
    content = b'{"index":1,"packages":[' + b",".join([line] * index_format.MAX_PACKAGES) + b"]}"
    assert len(content) < index_format.MAX_INDEX_BYTES
    assert index_format.excess(content) is None


def test_unknown_members_are_left_alone() -> None:
    assert list(decode(index({**ENTRY, "new": [1]}, generator="x"))) == ["hello--1.0"]


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.binary(max_size=200) | documents.map(lambda each: json.dumps(each).encode()))
def test_anything_is_read_or_refused(content: bytes) -> None:
    with suppress(DataError):
        decode(content)


@given(st.dictionaries(st.sampled_from(sorted(ENTRY)), documents, max_size=3))
def test_any_entry_is_sound_or_refused(change: dict[str, object]) -> None:
    with suppress(DataError):
        for package in decode(index({**ENTRY, **change})).values():
            assert flaw(package.id) is None and path_flaw(package.path) is None
            assert 0 < package.size < 1 << 53


@given(st.text(max_size=30) | st.text(alphabet="a./:%-~@+\\?#", max_size=20))
def test_a_path_never_leaves_the_repository(path: str) -> None:
    base = "https://user:secret@repo.example:8443/pub/"
    if path_flaw(path) is not None:
        return
    url = location(base, path)
    assert url.startswith(base)
    parts = urlsplit(urljoin(url, ""))
    assert (parts.scheme, parts.netloc) == ("https", "user:secret@repo.example:8443")
    assert unquote(parts.path) == f"/pub/{path}"
    assert not parts.query and not parts.fragment
