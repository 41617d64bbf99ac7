"""Who asks: users and passwords of URLs, .netrc and proxies, as servers get them, and bad ones."""

from __future__ import annotations

import base64
import importlib.util
from pathlib import Path

import pytest
from packager.base.errors import ConfigError, Denied
from packager.repositories.download import Forbidden

from tests.support.downloads import IMPATIENT, Download
from tests.support.web_server import body, serve, status


def basic(said: str) -> bytes:
    return base64.b64decode(said.removeprefix("Basic "))


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("token", b"token:"),
        ("token:", b"token:"),
        ("user:p%40ss%3A", b"user:p@ss:"),
        ("user:\u0142\u00f3d\u017a", "user:\u0142\u00f3d\u017a".encode()),
        ("user:%C3%A9%E9", b"user:\xc3\xa9\xe9"),
        (":secret", b":secret"),
    ],
)
def test_what_a_url_says_is_sent(download: Download, written: str, sent: bytes) -> None:
    with serve(status("302 Found", Location="/there"), body(b"tar")) as web:
        assert download(web.url(user=written)) == b"tar"
    assert [basic(each.headers["authorization"]) for each in web.requests] == [sent, sent]


@pytest.mark.parametrize(
    ("written", "user", "sent"),
    [
        ("machine 127.0.0.1 login me password \u0142\u00f3d\u017a", "", "me:\u0142\u00f3d\u017a"),
        ("machine 127.0.0.1 login me password s3cret", "me", "me:s3cret"),
        ("machine 127.0.0.1 login me password s3cret", "you", "you:"),
        ("machine 127.0.0.1 login me password s3cret", "me:own", "me:own"),
        ("default login anybody password x", "", "anybody:x"),
        ("machine 127.0.0.1 login \xe9 password x", "", "\xe9:x"),
    ],
)
def test_what_netrc_says_is_sent(
    download: Download,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    written: str,
    user: str,
    sent: str,
) -> None:
    (tmp_path / "netrc").write_text(written + "\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serve(body(b"tar")) as web:
        download(web.url(user=user))
    assert basic(web.requests[0].headers["authorization"]).decode() == sent


@pytest.mark.parametrize(
    ("written", "query", "sent"),
    [
        ("machine localhost login me password x", "", True),
        ("machine localhost login me password x", "?X-Amz-Signature=1", False),
        ("machine localhost login me password x", "?sv=1&sig=2", False),
        ("default login me password x", "", False),  # whoever the server names would get it
    ],
)
def test_what_netrc_gives_to_where_a_redirect_leads(
    download: Download,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    written: str,
    query: str,
    sent: bool,
) -> None:
    (tmp_path / "netrc").write_text(written + "\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serve(body(b"tar")) as store:
        target = store.url(f"/x{query}", host="localhost")
        with serve(status("302 Found", Location=target)) as web:
            download(web.url())
    assert ("authorization" in store.requests[0].headers) == sent


def test_a_user_whose_password_a_bad_netrc_does_not_say(
    download: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("?")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serve(body(b"tar")) as web:
        download(web.url(user="token"))
    assert basic(web.requests[0].headers["authorization"]) == b"token:"


@pytest.mark.parametrize("content", [b"machine a login b passwd s3cret\n", b"\xff\xfe\x00", b"?"])
def test_a_netrc_that_can_not_be_read_is_named_when_it_is_needed(
    download: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_bytes(content)
    monkeypatch.setenv("NETRC", str(netrc))
    with serve(body(b"tar"), status("401 Unauthorized")) as web:
        assert download(web.url()) == b"tar"
        with pytest.raises(Denied, match=f"wants a user and a password.*{netrc}") as caught:
            download(web.url())
    assert "s3cret" not in str(caught.value)


def test_who_is_not_known_is_told_what_is_wrong(download: Download) -> None:
    with serve(status("401 Unauthorized")) as web:
        with pytest.raises(Denied, match=r"~/.netrc"):
            download(web.url())
        with pytest.raises(Denied, match="does not take this user and password") as caught:
            download(web.url(user="me:s3cret"))
    assert "s3cret" not in str(caught.value)
    with serve(status("407 No")) as web, pytest.raises(Denied, match="the proxy wants another"):
        download(web.url())
    with serve(status("403 No")) as web, pytest.raises(Forbidden):
        download(web.url())


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ('Bearer realm="x"', False),
        ("Negotiate, NTLM", False),
        ('Bearer realm="x", Basic realm="y"', True),
    ],
)
def test_a_scheme_that_is_not_known_is_named(download: Download, asked: str, known: bool) -> None:
    for line, header in (("401 No", "WWW_Authenticate"), ("407 No", "Proxy_Authenticate")):
        with serve(status(line, **{header: asked})) as web, pytest.raises(Denied) as caught:
            download(web.url())
        assert ("only Basic is known" in str(caught.value)) != known


def test_a_proxy_gets_any_password(download: Download, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(body(b"tar")) as proxy:
        for user in ("me:\u0142\u00f3d\u017a", "token"):
            monkeypatch.setenv("http_proxy", proxy.url("", user=user))
            download("http://repo.invalid/hello--1.0.tar")
    said = [basic(each.headers["proxy-authorization"]) for each in proxy.requests]
    assert said == ["me:\u0142\u00f3d\u017a".encode(), b"token:"]


@pytest.mark.parametrize(
    ("name", "proxy", "reason"),
    [
        ("http_proxy", "socks5://127.0.0.1:1", "SOCKS proxy.*PySocks"),
        ("ALL_PROXY", "socks5h://me:s3cret@127.0.0.1:1", "SOCKS proxy.*PySocks"),
        ("HTTP_PROXY", "htp://127.0.0.1:1", "begins with http://"),
        ("http_proxy", "http://me:s3cret@127.0.0.1:port", "port is not a number"),
        ("http_proxy", "127.0.0.1:99999", "port is not a number"),
        ("http_proxy", "http://[::1", "its host is not one"),
        ("all_proxy", "http://", "it has no host"),
    ],
)
def test_a_bad_proxy_is_named(
    download: Download, monkeypatch: pytest.MonkeyPatch, name: str, proxy: str, reason: str
) -> None:
    if "socks" in proxy and importlib.util.find_spec("socks") is not None:
        pytest.skip("PySocks is installed here")
    monkeypatch.setenv(name, proxy)
    with pytest.raises(ConfigError, match=f"{name}.*{reason}") as caught:
        download("http://repo.invalid/x", IMPATIENT)
    assert "s3cret" not in str(caught.value)
