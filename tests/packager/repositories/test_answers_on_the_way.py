"""What is between a host and its repository: interim answers, redirects, caches, login pages."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import socket
from pathlib import Path

import pytest
from packager.base.errors import DataError, NotFound, ProtocolError

from tests.support.downloads import Download
from tests.support.fetching_host import Host, events
from tests.support.repository_site import Site, site
from tests.support.web_server import Answer, Request, Web, body, head, raw, serve, status

PAGE = b"<!DOCTYPE html>\n<html><body>Please log in</body></html>"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"


@pytest.mark.parametrize(
    "interim", [EARLY, EARLY * 3, b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 199\r\n\r\n"]
)
def test_interim_answers_are_passed_over(download: Download, interim: bytes) -> None:
    with serve(raw(interim, head("200 OK", Content_Length=3), b"tar")) as web:
        assert download(web.url()) == b"tar"


def test_a_switch_of_protocols_is_no_answer(download: Download) -> None:
    switch = raw(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    with serve(switch) as web, pytest.raises(ProtocolError, match="101"):
        download(web.url())


@pytest.mark.parametrize("path", ["/caf\xe9", "http://x:99999/", "http://x:port/", "http://[::1"])
def test_after_a_malformed_redirect_the_next_mirror_is_asked(
    host: Host, main: Site, path: str
) -> None:
    redirect = head("302 Found", Location="@", Content_Length=0)
    with serve(raw(redirect.replace(b"@", path.encode("latin-1")))) as bad:
        host.configure({"name": "main", "url": bad.url("/"), "mirrors": [main.url]})
        fetched = host.fetch("hello--1.0")
        assert (fetched.returncode, host.installed) == (0, ["hello--1.0"]), fetched.stderr
        host.configure({"name": "main", "url": bad.url("/")})
        refused = host.fetch("hello--1.9")
        assert refused.returncode == 76
        assert b"a redirect leads to a malformed URL" in refused.stderr


def test_where_a_redirect_led_is_said(download: Download) -> None:
    """Which mirror it was: what was asked for is a redirector's name."""
    for answer, error in ((status("404 No"), NotFound), (body(b"other"), DataError)):
        with serve(answer) as mirror:
            target = mirror.url("/x?token=s3cret", host="localhost")
            with serve(status("302 Found", Location=target)) as web, pytest.raises(error) as caught:
                download(web.url(), sha256="0" * 64)
        assert f"(a redirect led to localhost:{mirror.port})" in str(caught.value)
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "lines", ["Bad header line\r\nContent-Length: 30", "Content-Length: 3\r\nBad header line"]
)
def test_a_head_that_is_damaged_is_no_head(download: Download, lines: str) -> None:
    """What follows such a line, such as the length, would be lost, and a cut body taken."""
    with serve(raw(f"HTTP/1.1 200 OK\r\n{lines}\r\n\r\ntar".encode())) as web:
        with pytest.raises(ProtocolError, match="not HTTP"):
            download(web.url())
        assert len(web.requests) == 1


def test_chunks_override_a_length(download: Download) -> None:
    both = head("200 OK", Content_Length=30, Transfer_Encoding="chunked")
    with serve(raw(both, b"3\r\ntar\r\n0\r\n\r\n")) as web:
        assert download(web.url()) == b"tar"


@pytest.mark.parametrize("coding", ["gzip, chunked", "chunked, gzip", "gzip"])
def test_another_transfer_coding_is_not_taken_for_the_body(download: Download, coding: str) -> None:
    answer = raw(head("200 OK", Transfer_Encoding=coding), b"3\r\ntar\r\n0\r\n\r\n")
    with serve(answer) as web, pytest.raises(ProtocolError, match="in another coding"):
        download(web.url())


def test_what_may_be_cut_short_is_said_to_be(download: Download) -> None:
    reason = "4 bytes came, and the server has not said how many"
    with serve(raw(head("200 OK"), b"half")) as web, pytest.raises(DataError, match=reason):
        download(web.url(), sha256="0" * 64)
    with serve(body(b"half")) as web, pytest.raises(DataError) as caught:
        download(web.url(), sha256="0" * 64)
    assert "cut short" not in str(caught.value)


def test_a_server_in_the_middle_of_an_update_is_said_to_be(host: Host, main: Site) -> None:
    host.configure({"name": "main", "url": main.url})
    main.faults["hello--1.0.tar"] = [body(b"newer")]
    refused = host.fetch("hello--1.0")
    assert (refused.returncode, b"in the middle of an update" in refused.stderr) == (65, True)


def test_an_index_that_is_stored_compressed_is_read(host: Host, main: Site, tmp_path: Path) -> None:
    """As object stores give what was uploaded with a Content-Encoding, whatever is asked for."""
    plain = (tmp_path / "main/index.json").read_bytes()
    host.configure({"name": "main", "url": main.url})
    main.faults["index.json"] = [body(gzip.compress(plain), Content_Encoding="gzip")]
    assert host.run("search", "hello").returncode == 0
    for content, reason in (
        (gzip.compress(plain)[:-9], b"it is compressed with gzip"),
        (gzip.compress(bytes(65 << 20)), b"larger than"),
        (lzma.compress(plain), b"it is compressed with xz"),
    ):
        main.faults["index.json"] = [body(content)]
        refused = host.run("search", "--retries=0", "hello")
        assert (refused.returncode, reason in refused.stderr) == (65, True)


def test_a_redirect_with_bytes_of_utf_8_is_followed(download: Download) -> None:
    redirect = head("302 Found", Location="/caf\u00e9", Content_Length=0)
    with serve(raw(redirect), body(b"tar")) as web:
        assert download(web.url()) == b"tar"
    assert web.requests[1].line == "GET /caf%C3%A9 HTTP/1.1"


def test_a_plus_is_not_taken_for_a_blank(host: Host, tmp_path: Path) -> None:
    from tests.support.fetching_host import make_index
    from tests.support.repository_site import put

    put(tmp_path / "plus", "hello--1.0+b1")
    make_index(tmp_path / "plus")
    with site(tmp_path / "plus") as served:
        host.configure({"name": "main", "url": served.url})
        assert host.fetch("hello--1.0+b1").returncode == 0
    assert served.paths == ["/index.json", "/hello--1.0%2Bb1.tar"]


def test_caches_are_asked_to_look_again_for_what_may_change(host: Host, main: Site) -> None:
    host.configure({"name": "main", "url": main.url})
    assert host.fetch("hello--1.0").returncode == 0
    asked = [each.headers.get("cache-control") for each in main.web.requests]
    assert asked == ["max-age=0", None]  # the archive's hash is known: no cache can be wrong


def cache(stale: bytes, fresh: bytes, **said: str) -> Answer:
    def answer(connection: socket.socket, request: Request, web: Web) -> None:
        if request.headers.get("cache-control") == "no-cache":
            body(fresh)(connection, request, web)
        else:
            body(stale, **said)(connection, request, web)

    return answer


@pytest.mark.parametrize("said", [{"Age": "7"}, {"X_Cache": "HIT from squid"}])
@pytest.mark.parametrize("stale", [b"old", b"older"])
def test_a_cache_that_has_another_archive_is_passed_by(
    download: Download, said: dict[str, str], stale: bytes
) -> None:
    sha256 = hashlib.sha256(b"new").hexdigest()
    with serve(cache(stale, b"new", **said)) as web:
        assert download(web.url(), sha256=sha256, size=3) == b"new"
    assert download.retries == ["a cache had something else"]
    with serve(cache(stale, b"new")) as web, pytest.raises(DataError):
        download(web.url(), sha256=sha256, size=3)
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (PAGE, b"JSON was expected, and it is an HTML page"),
        (b"\xef\xbb\xbf \n<html>", b"it is an HTML page"),
        (b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code>", b"it is XML"),
        (b"", b"it is not JSON"),
        (b"hello", b"it is not JSON"),
    ],
)
def test_a_page_in_place_of_the_index_is_named(
    host: Host, main: Site, content: bytes, reason: bytes
) -> None:
    main.faults["index.json"] = [body(content)]
    host.configure({"name": "main", "url": main.url})
    refused = host.fetch("hello--1.0")
    assert refused.returncode == 65
    assert b"index.json" in refused.stderr and reason in refused.stderr


@pytest.mark.parametrize("told", [True, False])
def test_a_page_in_place_of_an_archive_is_named(host: Host, main: Site, told: bool) -> None:
    main.faults["hello--1.0.tar"] = [raw(head("200 OK"), PAGE)]
    expected = ["--sha256=" + "0" * 64] if told else []
    refused = host.run("add", *expected, main.url + "hello--1.0.tar")
    assert (refused.returncode, b"it is an HTML page" in refused.stderr) == (65, True)


def test_events_name_the_mirror_and_no_password(host: Host, main: Site) -> None:
    with serve(status("401 Unauthorized")) as bad:
        host.configure(
            {"name": "main", "url": bad.url("/", user="me:s3cret"), "mirrors": [main.url]}
        )
        fetched = host.fetch("--format=ndjson", "hello--1.0")
    assert fetched.returncode == 0
    mirror = next(each for each in events(fetched.stdout) if each["event"] == "mirror")
    assert "does not take this user and password" in str(mirror["reason"])
    assert b"s3cret" not in fetched.stdout + fetched.stderr
