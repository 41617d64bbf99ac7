"""URLs as they are written, and as servers send them: which lead somewhere, and where."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packager.repositories import urls

BASE = "http://repo.test/a/b"


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/c", "http://repo.test/c"),
        ("c d", "http://repo.test/a/c%20d"),
        ("//cdn.test/x?y=1#z", "http://cdn.test/x?y=1"),
        ("/%C3%A9?a=%2B", "http://repo.test/%C3%A9?a=%2B"),
        ("/\u00e9".encode().decode("latin-1"), "http://repo.test/%C3%A9"),
        ("https://u:p@[::1]:8443/x", "https://u:p@[::1]:8443/x"),
        ("", BASE),
    ],
)
def test_where_a_redirect_leads(location: str, target: str) -> None:
    assert urls.redirected(BASE, location) == target


@pytest.mark.parametrize(
    "location",
    [
        *("/\xe9", "http://\xff.test/", "http://x:99999/", "http://x:port/", "http://x:-1/"),
        *("https://", "https:///x", "http://[::1", "http://a b/", f"http://{'a' * 64}.test/"),
        *("http://a..b/", "ftp://x/", "file:///etc/passwd", "javascript:1"),
    ],
)
def test_where_no_redirect_may_lead(location: str) -> None:
    with pytest.raises(urls.Malformed, match=r"^to a "):
        urls.redirected(BASE, location)


@given(st.binary(max_size=80))
def test_whatever_a_server_sends_leads_to_a_url_or_nowhere(location: bytes) -> None:
    try:
        target = urls.redirected(BASE, location.decode("latin-1"))
    except urls.Malformed:
        return
    assert urls.flaw(target) is None
    assert urlsplit(target).path.isascii() and urlsplit(target).query.isascii()


@given(st.text(max_size=40))
def test_a_flaw_is_told_and_never_raised(text: str) -> None:
    for url in (text, f"http://{text}", f"http://h:{text}/"):
        reason = urls.flaw(url)
        assert reason is None or reason.startswith(("it", "a part", "in its"))
        urls.redacted(url)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://me:s3cr?et@a.test/x",
            "https://me:s3cr#et@a.test/x",
            "https://me:s3cr/et@a.test/x",
        ),
        *(
            "https://me:12?s3cret@a.test/x",
            "https://me:/s3cret@a.test/x",
            "https://me:?s3cret@[::1]/",
        ),
    ],
)
def test_a_password_that_ends_the_host_is_not_shown(url: str) -> None:
    assert urls.redacted(url) == "https://…"
    assert "must be written as %2F" in str(urls.flaw(url))


def test_an_at_behind_the_host_is_no_password() -> None:
    for url in (
        "http://a.test/x@y",
        "http://a.test:80/x@y?z@",
        "http://[::1]/x@y",
        "http://a.test?@",
    ):
        assert urls.flaw(url) is None
        assert urls.redacted(url).startswith(("http://a.test", "http://[::1]"))


def test_a_path_and_its_url() -> None:
    for path in ("/srv/packages/", "/a b/%41?#/\u00e9", "/a\udcff"):
        assert urls.local_path(urls.of_path(path)) == path
    assert urls.local_path("file://localhost/srv") == "/srv"


@pytest.mark.parametrize(
    "url", ["file://other/srv", "file:srv", "file:///a?b", "file:///a#b", "file:///%00", "file://["]
)
def test_what_is_no_file_url(url: str) -> None:
    with pytest.raises(urls.Malformed):
        urls.local_path(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://a.test/x", "http://a.test/x"),
        ("http://u:p@a.test:8/x?k=v#f", "http://a.test:8/x?…"),
        ("http://u:p%40q@a.test/x", "http://a.test/x"),
        ("http://u:p@q@a.test/x", "http://a.test/x"),
        ("http://u:p@[::1/x", "http://…"),
    ],
)
def test_redaction(url: str, shown: str) -> None:
    assert urls.redacted(url) == shown


@given(st.text(min_size=1), st.text())
def test_redaction_always_hides_the_password(password: str, path: str) -> None:
    hidden = "s3cret" + "".join(c for c in password if c.isalnum()) + "s3cret"
    assert hidden not in urls.redacted(f"https://user:{hidden}@a.test/{path}")


def test_file_names() -> None:
    assert urls.file_name("https://a.test/x/hello--1.0.tar.xz?a=/b") == "hello--1.0.tar.xz"
    assert urls.file_name("https://a.test/hello%2B--1.0.tar") == "hello+--1.0.tar"
    assert urls.file_name("https://a.test") == ""
