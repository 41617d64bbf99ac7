"""URLs: what is one, what is wrong with one, where a redirect leads, how one may be shown.

Pure functions of text. Source: RFC 3986; RFC 8089 for file URLs.
"""

from __future__ import annotations

from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

from packager.base.errors import UsageError

MAX_LABEL_CHARACTERS = 63  # of one part of a host's name (RFC 1035, 2.3.4)
# What may stand in a URL as it is; everything else is encoded, but no "%" a second time.
_SPLIT = "in its user or password / ? and # must be written as %2F, %3F and %23"
_AS_IT_IS = "!#$%&'()*+,/:;=?@[]~"


class Malformed(UsageError):
    """A URL that leads nowhere; the message says why, without the URL."""


def is_url(source: str) -> bool:
    """Whether a source is asked for over a network; schemes are case-insensitive."""
    return source.lower().startswith(("http://", "https://"))


def is_file_url(source: str) -> bool:
    """Whether a source is a file of this host, named by a URL."""
    return source.lower().startswith("file:")


def flaw(url: str) -> str | None:
    """What is wrong with `url` as an http or https one, or None. Nothing of it is repeated."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "its host is not one"
    try:
        host, _ = parts.hostname, parts.port  # a bad port is an error only when it is asked for
    except ValueError as error:
        if "port" not in str(error).lower():
            return "its host is not one"
        return (
            _SPLIT if _is_split_in_its_password(parts) else "its port is not a number up to 65535"
        )
    if not host:
        return "it has no host"
    if _is_split_in_its_password(parts):
        return _SPLIT
    if any(character <= " " or character == "\x7f" for character in parts.netloc):
        return "its host has a blank or a control character in it"
    labels = host.removesuffix(".").split(".")
    if ":" not in host and any(not 0 < len(each) <= MAX_LABEL_CHARACTERS for each in labels):
        return "a part of its host's name is empty or too long"
    return None


def _is_split_in_its_password(parts: SplitResult) -> bool:
    """Whether a / ? or # that should be encoded ends the host in the middle of user and password:
    an @ comes later, and what stands for the port is none, or no path comes between the two."""
    if ":" not in parts.netloc.rpartition("]")[2] or "@" in parts.netloc:
        return False
    if "@" not in parts.path + parts.query + parts.fragment:
        return False
    try:
        return parts.port is None or not parts.path
    except ValueError:
        return True


def redirected(url: str, location: str) -> str:
    """The absolute URL that a redirect from `url` leads to.

    location: the header's bytes, each as one character (Latin-1), as HTTP libraries have them.
    Bytes that are not ASCII are encoded if they are UTF-8 (RFC 3987, 3.1): what else they could
    mean is anybody's guess. Raises Malformed for a URL that is none, or that must not be followed.
    """
    try:
        text = location.encode("latin-1").decode()
    except UnicodeError:
        raise Malformed("to a malformed URL: it has bytes that are neither ASCII nor UTF-8") from (
            None
        )
    try:
        joined = urljoin(url, text)
        scheme = urlsplit(joined).scheme
    except ValueError:
        raise Malformed("to a malformed URL: its host is not one") from None
    if scheme not in ("http", "https"):
        raise Malformed(f"to a {scheme}: URL")
    if scheme == "http" and url.lower().startswith("https:"):
        raise Malformed("from https to http")
    parts = urlsplit(joined)
    path = quote(parts.path, safe=_AS_IT_IS)
    joined = urlunsplit((scheme, parts.netloc, path, quote(parts.query, safe=_AS_IT_IS), ""))
    reason = flaw(joined)
    if reason is not None:
        raise Malformed(f"to a malformed URL: {reason}")
    return joined


def redacted(url: str) -> str:
    """`url` as it may be shown: without user and password, and without the query's text, which
    in a signed URL is as good as a password."""
    try:
        parts = urlsplit(url)
        if _is_split_in_its_password(parts):
            return f"{parts.scheme}://…"
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path, "…" if parts.query else "", ""))
    except ValueError:
        return f"{url.partition(':')[0]}://…"


def file_name(url: str) -> str:
    """The last segment of the URL's path, decoded: what a file of it would be called. Raises
    ValueError for a URL that is none."""
    return unquote(urlsplit(url).path.rpartition("/")[2])


def local_path(url: str) -> str:
    """The absolute path that a file URL names. Raises Malformed."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Malformed("the URL is malformed: its host is not one") from None
    if parts.netloc.lower() not in ("", "localhost"):
        raise Malformed("a file URL names a file of this host, as in file:///srv/packages")
    if parts.query or parts.fragment:
        raise Malformed("a file URL has no query and no fragment; encode ? as %3F and # as %23")
    path = unquote(parts.path, errors="surrogateescape")
    if not path.startswith("/") or "\0" in path:
        raise Malformed("a file URL has an absolute path, as in file:///srv/packages")
    return path


def of_path(path: str) -> str:
    """The file URL of an absolute path."""
    return "file://" + quote(path.encode(errors="surrogateescape"), safe="/@~")
