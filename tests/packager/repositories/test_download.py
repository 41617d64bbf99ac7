"""Downloads from real servers on loopback: what breaks, what is tried again, what is refused."""

from __future__ import annotations

import base64
import gzip
import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from packager.base.errors import (
    ConfigError,
    DataError,
    Denied,
    NotFound,
    PackagerError,
    ProtocolError,
    Unavailable,
    UsageError,
)
from packager.repositories.download import fetch
from packager.repositories.retry_policy import Policy

from tests.support.downloads import IMPATIENT, Download
from tests.support.web_server import (
    Answer,
    Web,
    body,
    cut,
    drip,
    head,
    ranged,
    raw,
    reset,
    serve,
    stall,
    status,
)

DATA = bytes(range(256)) * 4096  # 1 MiB
ETAG = '"v1"'


def test_a_whole_answer(download: Download) -> None:
    with serve(body(DATA)) as web:
        assert download(web.url(), size=len(DATA), sha256=hashlib.sha256(DATA).hexdigest()) == DATA
    assert web.requests[0].headers["accept-encoding"] == "identity"
    assert "range" not in web.requests[0].headers
    first, last = download.events[0], download.events[-1]
    assert first == ("fetching", {"source": web.url(), "bytes": 0, "total": len(DATA)})
    assert last[1]["bytes"] == len(DATA)


def test_an_answer_of_unknown_length(download: Download) -> None:
    with serve(raw(head("200 OK"), DATA)) as web:
        assert download(web.url()) == DATA
    assert download.events[-1][1]["total"] is None


def test_an_empty_answer(download: Download) -> None:
    with serve(body(b"")) as web:
        assert download(web.url()) == b""


BREAKS: dict[str, Callable[..., Answer]] = {"cut": cut, "reset": reset}


@pytest.mark.parametrize("kind", BREAKS)
def test_resumes_where_it_broke(download: Download, kind: str) -> None:
    with serve(BREAKS[kind](DATA, 300_000, ETag=ETAG), ranged(DATA, ETag=ETAG)) as web:
        assert download(web.url()) == DATA
    assert [r.headers.get("range") for r in web.requests] == [None, "bytes=300000-"]
    assert web.requests[1].headers["if-range"] == ETAG
    assert len(download.retries) == 1


def test_resumes_by_an_old_modification_date(download: Download) -> None:
    modified = "Sun, 22 Nov 2026 10:00:00 GMT"
    answers = cut(DATA, 1000, Last_Modified=modified), ranged(DATA, Last_Modified=modified)
    with serve(*answers) as web:
        assert download(web.url()) == DATA
    assert web.requests[1].headers["if-range"] == modified


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ETag": 'W/"v1"'},
        {"ETag": ETAG, "Accept_Ranges": "none"},
        {"Last_Modified": "Mon, 23 Nov 2026 10:00:00 GMT"},  # the very second of the answer
    ],
)
def test_starts_over_without_a_strong_validator(
    download: Download, headers: dict[str, str]
) -> None:
    with serve(cut(DATA, 300_000, **headers), ranged(DATA, **headers)) as web:
        assert download(web.url()) == DATA
    assert "range" not in web.requests[1].headers


def test_a_file_that_changed_meanwhile_is_fetched_anew(download: Download) -> None:
    other = DATA[::-1][:700_000]
    with serve(cut(DATA, 300_000, ETag=ETAG), ranged(other, ETag='"v2"')) as web:
        assert download(web.url()) == other
    assert web.requests[1].headers["range"] == "bytes=300000-"


@pytest.mark.parametrize(
    "answer",
    [
        raw(
            head("206 Partial Content", Content_Range=f"bytes 5-{len(DATA) - 1}/{len(DATA)}"), DATA
        ),
        raw(head("206 Partial Content", Content_Range="bytes 300000-400000/*"), DATA[300_000:]),
        raw(head("206 Partial Content"), DATA[300_000:]),
        status("416 Range Not Satisfiable"),
        status("412 Precondition Failed"),
    ],
)
def test_a_useless_partial_answer_starts_over(download: Download, answer: Answer) -> None:
    other = DATA[::-1]
    with serve(cut(DATA, 300_000, ETag=ETAG), answer, body(other)) as web:
        result = download(web.url())
    assert result == other
    assert "range" not in web.requests[2].headers


def test_a_stall_in_the_body_is_resumed(download: Download) -> None:
    policy = Policy(connect_timeout=1, read_timeout=0.2, retries=1, first_delay=0.001)
    stalled = stall(head("200 OK", Content_Length=len(DATA), ETag=ETAG), DATA[:70_000])
    with serve(stalled, ranged(DATA, ETag=ETAG)) as web:
        assert download(web.url(), policy) == DATA
    assert web.requests[1].headers["range"] == "bytes=70000-"


HANGING = {
    "before the answer": stall(),
    "in the head": stall(b"HTTP/1.1 200 OK\r\nContent-"),
    "in the body": stall(head("200 OK", Content_Length=10), b"12345"),
    "dripping head": drip(b"HTTP/1.1 200 OK\r\n", b"X-Slow: " + b"x" * 1000, 0.05),
    "dripping body": drip(head("200 OK", Content_Length=1000), b"x" * 1000, 0.05),
    "dripping chunks": drip(head("200 OK", Transfer_Encoding="chunked"), b"1\r\nx\r\n" * 99, 0.05),
}


@pytest.mark.parametrize("where", HANGING)
def test_nothing_hangs(download: Download, where: str) -> None:
    start = time.monotonic()
    with serve(HANGING[where]) as web, pytest.raises(Unavailable) as caught:
        download(web.url(), IMPATIENT)
    assert time.monotonic() - start < 5
    assert "0.3 s" in str(caught.value)


def test_a_chunked_answer_that_is_cut_is_no_success(download: Download) -> None:
    chunked = head("200 OK", Transfer_Encoding="chunked")
    cuts = b"5\r\nhello\r\n", b"5\r\nhel", b"5\r\nhello\r\n5\r\n"
    whole = b"5\r\nhello\r\n0\r\n\r\n"
    with serve(*(raw(chunked, piece) for piece in (*cuts, whole))) as web:
        assert download(web.url()) == b"hello"
    assert len(web.requests) == 4


def test_a_slow_listener_is_no_slow_server(download: Download) -> None:
    policy = Policy(connect_timeout=0.2, read_timeout=0.3, retries=0)
    blocked = threading.Event()

    def emit(event: str, /, **fields: object) -> None:
        blocked.wait(0.5)  # as a full pipe would do

    with serve(body(b"12345")) as web, download.path.open("w+b") as file:
        fetch(web.url(), file, policy=policy, emit=emit)
    assert download.path.read_bytes() == b"12345"


def test_retries_end(download: Download) -> None:
    with serve(cut(DATA, 10)) as web, pytest.raises(Unavailable, match=r"tried 4 times") as caught:
        download(web.url())
    assert len(web.requests) == 4
    assert f"10 of {len(DATA)} bytes" in str(caught.value) or "ended early" in str(caught.value)


def test_a_closed_connection_is_tried_again(download: Download) -> None:
    with serve(raw(), body(DATA)) as web:
        assert download(web.url()) == DATA
    assert download.retries == ["the connection was closed without an answer"]


def test_nobody_listens(download: Download) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unavailable, match="connection refused"):
        download(f"http://127.0.0.1:{port}/x")
    assert len(download.retries) == 3


def test_no_such_host(download: Download) -> None:
    with pytest.raises(Unavailable, match="name can't be resolved"):
        download("http://host.invalid/x", IMPATIENT)


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_passing_failures_are_tried_again(download: Download, code: int) -> None:
    with serve(status(f"{code} No"), body(DATA)) as web:
        assert download(web.url()) == DATA
    assert download.retries == [f"the server answered {code} No"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("404 Not Found", NotFound),
        ("410 Gone", NotFound),
        ("401 Unauthorized", Denied),
        ("403 Forbidden", Denied),
        ("501 Not Implemented", Unavailable),
        ("400 Bad Request", ProtocolError),
        ("204 No Content", ProtocolError),
        ("206 Partial Content", ProtocolError),
        ("304 Not Modified", ProtocolError),
    ],
)
def test_final_answers(download: Download, line: str, error: type[PackagerError]) -> None:
    with serve(status(line)) as web, pytest.raises(error, match=line):
        download(web.url())
    assert len(web.requests) == 1


def test_a_short_wait_that_is_asked_for_is_kept(download: Download) -> None:
    with serve(status("503 Busy", Retry_After=1), body(DATA)) as web:
        start = time.monotonic()
        assert download(web.url()) == DATA
    assert time.monotonic() - start >= 1


def test_a_long_wait_that_is_asked_for_is_reported(download: Download) -> None:
    with (
        serve(status("503 Busy", Retry_After=3600)) as web,
        pytest.raises(Unavailable, match="asks to wait 3600 s"),
    ):
        download(web.url())
    assert len(web.requests) == 1


@pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH\r\n", b"\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_not_http(download: Download, words: bytes) -> None:
    with serve(raw(words)) as web, pytest.raises(ProtocolError):
        download(web.url())


def test_a_body_with_a_content_encoding_stays_as_it_is(download: Download) -> None:
    packed = gzip.compress(b"tar")
    with serve(body(packed, Content_Encoding="gzip")) as web:
        assert download(web.url(), sha256=hashlib.sha256(packed).hexdigest()) == packed


def test_a_wrong_hash(download: Download) -> None:
    with serve(body(b"other")) as web, pytest.raises(DataError, match="SHA-256 is"):
        download(web.url(), sha256="0" * 64)
    assert len(web.requests) == 1


def test_a_wrong_size_is_refused_before_the_body(download: Download) -> None:
    with serve(stall(head("200 OK", Content_Length=10))) as web, pytest.raises(DataError):
        download(web.url(), size=9)
    with serve(raw(head("200 OK"), b"12345")) as web, pytest.raises(Unavailable, match="5 of 9"):
        download(web.url(), Policy(retries=0), size=9)


def test_more_than_is_allowed(download: Download) -> None:
    small = Policy(max_size=1000, retries=0)
    with serve(stall(head("200 OK", Content_Length=10**12))) as web, pytest.raises(DataError):
        download(web.url(), small)
    with serve(raw(head("200 OK"), DATA)) as web, pytest.raises(DataError, match="--max-size"):
        download(web.url(), small)
    assert download.path.stat().st_size <= 1000


# Redirects, credentials, proxies


def redirect(target: str, code: int = 302) -> Answer:
    return status(f"{code} Found", Location=target)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed(download: Download, code: int) -> None:
    with serve(redirect("/there?x=1", code), body(DATA)) as web:
        assert download(web.url()) == DATA
    assert web.requests[1].line == "GET /there?x=1 HTTP/1.1"


def test_redirects_end(download: Download) -> None:
    with serve(redirect("/again")) as web, pytest.raises(ProtocolError, match="redirects"):
        download(web.url())
    assert len(web.requests) == 11


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://[::1/x", "http://x:99999/"]
)
def test_redirects_out_of_http_are_refused(download: Download, target: str) -> None:
    with serve(redirect(target)) as web, pytest.raises(ProtocolError, match="redirect leads"):
        download(web.url())


def test_the_body_of_a_redirect_is_not_read(download: Download) -> None:
    endless = stall(head("302 Found", Location="/there", Content_Length=10**12), DATA)
    with serve(endless, body(DATA)) as web:
        start = time.monotonic()
        assert download(web.url()) == DATA
    assert time.monotonic() - start < 2


def _authorization(web: Web) -> list[str | None]:
    return [request.headers.get("authorization") for request in web.requests]


def test_credentials_stay_with_their_host(download: Download) -> None:
    basic = "Basic " + base64.b64encode(b"user:secret").decode()
    with serve(redirect("/there"), body(DATA)) as web:
        download(web.url(user="user:secret"))
        assert _authorization(web) == [basic, basic]
    with serve(body(DATA)) as other, serve(redirect(other.url(host="localhost"))) as web:
        download(web.url(user="user:secret"))
        assert _authorization(web) == [basic]
        assert _authorization(other) == [None]


def test_credentials_are_never_shown(download: Download) -> None:
    answers = (
        status("503 Busy"),
        redirect("/there?signature=s3cret"),
        cut(DATA, 5),
        status("404 No"),
    )
    with serve(*answers) as web, pytest.raises(NotFound) as caught:
        download(web.url("/x?token=s3cret", user="user:s3cret"))
    assert "s3cret" not in str(caught.value) + repr(download.events)
    assert f"http://{web.host}:{web.port}/x?…" in str(caught.value)
    with pytest.raises(Unavailable) as refused:
        download("http://user:s3cret@127.0.0.1:1/x?token=s3cret", IMPATIENT)
    assert "s3cret" not in str(refused.value)


def test_a_proxy_from_the_environment(download: Download, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(body(DATA)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url("", user="me:s3cret"))
        assert download("http://repo.invalid/hello--1.0.tar") == DATA
    assert proxy.requests[0].line == "GET http://repo.invalid/hello--1.0.tar HTTP/1.1"
    assert proxy.requests[0].headers["proxy-authorization"].startswith("Basic ")


def test_a_proxy_that_is_not_there(download: Download, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me:s3cret@127.0.0.1:1")
    with pytest.raises(Unavailable, match="the proxy: connection refused") as caught:
        download("http://repo.invalid/x", IMPATIENT)
    assert "s3cret" not in str(caught.value)


def test_a_tunnel_that_wants_a_password(
    download: Download, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(status("407 Proxy Authentication Required")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url(""))
        with pytest.raises(Denied, match="proxy"):
            download("https://repo.invalid/x")
    assert proxy.requests[0].line.startswith("CONNECT repo.invalid:443")


def test_netrc(download: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serve(body(DATA)) as web:
        download(web.url())
    assert _authorization(web) == ["Basic " + base64.b64encode(b"me:s3cret").decode()]


def test_tls_that_is_none(download: Download) -> None:
    with serve(raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as web, pytest.raises(PackagerError) as e:
        download(web.url().replace("http:", "https:"), IMPATIENT)
    assert isinstance(e.value, ProtocolError | Unavailable)


def test_a_certificate_must_be_trusted(download: Download, monkeypatch: pytest.MonkeyPatch) -> None:
    # A key that protects nothing, and its own certificate for "localhost", good for a century.
    certificate = Path(__file__).parents[2] / "support" / "localhost.pem"
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with serve(body(DATA), tls=tls) as web:
        url = web.url(host="localhost").replace("http:", "https:")
        with pytest.raises(ProtocolError, match="certificate is not trusted"):
            download(url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert download(url) == DATA


def test_a_ca_bundle_that_is_not_there(download: Download, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(ConfigError, match=r"/nowhere/ca\.pem"):
        download("https://127.0.0.1:1/x", IMPATIENT)


@pytest.mark.parametrize("url", ["http://", "http://[::1/x", "http://a b/x", "http://x:99999/"])
def test_malformed_urls(download: Download, url: str) -> None:
    with pytest.raises(UsageError, match="malformed"):
        download(url)
