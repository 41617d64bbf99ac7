"""Downloads: one URL into one file, or a clear reason why not.

The file on disk is the truth at every moment: it holds a prefix of the body, whatever broke off,
and its length says where to go on. What answers mean is decided in `retry_policy`; what goes wrong
below HTTP is put into words in `network_errors`. Redirects are followed here and not by requests,
which would read a redirect's body into memory, however long it is.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import BinaryIO, NoReturn
from urllib.parse import urljoin, urlsplit

import requests
from requests.utils import get_auth_from_url

from packager import __version__
from packager.base.debug_log import debug
from packager.base.errors import (
    DataError,
    Denied,
    NotFound,
    PackagerError,
    ProtocolError,
    Unavailable,
    UsageError,
)
from packager.base.events import Emit
from packager.repositories import retry_policy
from packager.repositories.certificate_authorities import TrustingSession
from packager.repositories.network_errors import NETWORK_ERRORS, Broken, broken

BLOCK_BYTES = 1 << 18  # bytes asked of the connection at once
# Bytes per second, on average over a read time-out; less counts as a stall.
MIN_BYTES_PER_SECOND = 1024
MAX_REDIRECTS = 10
MAX_RETRY_AFTER_SECONDS = 120.0  # seconds of Retry-After that are waited for
HEADERS = {
    "User-Agent": f"packager/{__version__}",
    "Accept": "*/*",
    # Compressed in transit, the bytes would not be the archive's, and could not be resumed.
    "Accept-Encoding": "identity",
}

_REFUSALS: dict[str, type[PackagerError]] = {
    "not-found": NotFound,
    "denied": Denied,
    "unavailable": Unavailable,
    "protocol": ProtocolError,
}


def fetch(
    url: str,
    file: BinaryIO,
    *,
    policy: retry_policy.Policy,
    emit: Emit,
    sha256: str | None = None,
    size: int | None = None,
    what: str = "archive",
) -> None:
    """Download `url` into `file` (open for reading and writing) and check size and hash.

    What the file holds already counts as the beginning of the body if `sha256` and `size` are
    there to vouch for the whole; else it is thrown away. `what` is downloaded, for messages.

    Events: fetching (source, bytes, total), retrying (source, reason, seconds). Proxies and netrc
    are taken from the environment as requests does; for authorities see `certificate_authorities`.
    Main thread only: the alarm clock (SIGALRM) ends what is too slow for the time-outs of single
    reads.

    Raises NotFound, Denied, Unavailable (after the retries), ProtocolError, ConfigError, DataError
    for a wrong size or hash, OSError of the file. No message contains credentials.
    """
    download = _Download(url, file, policy, emit, size, what, bound=None not in (sha256, size))
    failures = 0
    while True:
        try:
            download.attempt()
            break
        except Broken as failure:
            if not failure.retryable:
                raise failure.error(f"{download.shown}: {failure.reason}") from None
            if failures == policy.retries:
                raise Unavailable(
                    f"{download.shown}: {failure.reason}"
                    + (f" (tried {failures + 1} times)" if failures else "")
                ) from None
            seconds = _delay(failure, failures, policy, download.shown)
            failures += 1
            emit(
                "retrying", source=download.shown, reason=failure.reason, seconds=round(seconds, 1)
            )
            time.sleep(seconds)
    _check(file, download.shown, sha256, size, what)


class _Download:
    """One download over all its attempts: what is known of the remote file so far."""

    def __init__(
        self,
        url: str,
        file: BinaryIO,
        policy: retry_policy.Policy,
        emit: Emit,
        size: int | None,
        what: str,
        *,
        bound: bool,
    ) -> None:
        self.shown = retry_policy.redacted(url)
        self._url = url
        self._file = file
        self._policy = policy
        self._times = (policy.connect_timeout, policy.read_timeout)
        self._emit = emit
        self._size = size
        self._what = what
        # Bound by size and hash, any server's bytes are as good as any other's.
        self._bound = retry_policy.Resumption("", size) if bound else None
        self._resumption = self._bound

    def attempt(self) -> None:
        """Ask for what is missing and append it. Raises Broken, PackagerError, OSError."""
        try:
            verdict = self._ask()
        except _Stalled:
            raise Broken(
                f"no answer, or less than {MIN_BYTES_PER_SECOND} bytes a second, "
                f"for {self._policy.read_timeout:g} s"
            ) from None
        if verdict is not None:
            self._refuse(verdict)

    def _ask(self) -> retry_policy.StartOver | retry_policy.TryAgain | retry_policy.Refusal | None:
        offset = self._file.seek(0, os.SEEK_END)
        if self._bound is not None and offset == self._size:
            self._tell(offset, self._size)
            return None  # it is all there; the hash will tell whether it is right
        if offset and (self._resumption is None or offset > (self._resumption.total or offset)):
            offset = self._empty()
        resumption = self._resumption if offset else None
        headers = dict(HEADERS)
        if resumption is not None:
            headers["Range"] = f"bytes={offset}-"
            if resumption.validator:
                headers["If-Range"] = resumption.validator
        with _Session() as session, self._open(session, headers) as response:
            verdict = retry_policy.judge(
                response.status_code,
                response.reason or "",
                response.headers,
                offset=offset,
                resumption=resumption,
                now=time.time(),
            )
            debug(
                lambda: (
                    f"{self.shown}: status {response.status_code} at offset {offset}: "
                    f"{type(verdict).__name__}"
                )
            )
            if not isinstance(verdict, retry_policy.Body):
                return verdict
            if verdict.start == 0:
                self._empty()
                self._resumption = self._bound or retry_policy.resumption(response.headers)
            self._receive(response, verdict)
            return None

    def _refuse(
        self, verdict: retry_policy.StartOver | retry_policy.TryAgain | retry_policy.Refusal
    ) -> NoReturn:
        if isinstance(verdict, retry_policy.StartOver):
            self._empty()
            self._resumption = self._bound
            raise Broken("the remote file has changed, or can't be resumed")
        if isinstance(verdict, retry_policy.TryAgain):
            raise Broken(verdict.reason, wait=verdict.wait)
        raise _REFUSALS[verdict.kind](f"{self.shown}: {verdict.reason}")

    def _open(self, session: _Session, headers: dict[str, str]) -> requests.Response:
        """The first answer that is no redirect. Credentials stay with the host they are for."""
        url = self._url
        try:
            auth = get_auth_from_url(url)
        except ValueError as error:
            raise broken(error, *self._times) from error
        own: tuple[str, str] | None = auth if any(auth) else None
        for _ in range(MAX_REDIRECTS + 1):
            try:
                response = self._send(session, url, headers, own)
            except Broken as failure:
                if failure.error is UsageError and url != self._url:
                    raise Broken(
                        "a redirect leads to a malformed URL", error=ProtocolError
                    ) from None
                raise
            target = session.redirect_target(response)
            if target is None:
                return response
            response.close()
            target = _redirected(url, target)
            if session.should_strip_auth(url, target):  # type: ignore[no-untyped-call]
                own = None
            url = target
        raise Broken(f"more than {MAX_REDIRECTS} redirects", error=ProtocolError)

    def _send(
        self,
        session: _Session,
        url: str,
        headers: dict[str, str],
        auth: tuple[str, str] | None,
    ) -> requests.Response:
        times = self._times
        try:
            request = session.prepare_request(
                requests.Request("GET", url, headers=headers, auth=auth)
            )
            settings = session.merge_environment_settings(request.url, {}, True, None, None)
            with _alarm(sum(times)):
                return session.send(request, timeout=times, allow_redirects=False, **settings)
        except NETWORK_ERRORS as error:
            raise broken(error, *times) from error

    def _receive(self, response: requests.Response, body: retry_policy.Body) -> None:
        if None not in (body.total, self._size) and body.total != self._size:
            raise DataError(
                f"{self.shown}: the {self._what} has {body.total} bytes, expected {self._size}"
            )
        total = self._size if body.total is None else body.total
        self._limit(total)
        received = counted = body.start
        patience = self._policy.read_timeout  # seconds left for the next `SLOWEST * read_timeout`
        self._tell(received, total)
        while True:
            began = time.monotonic()
            try:
                with _alarm(patience):
                    piece = response.raw.read1(BLOCK_BYTES, decode_content=False)
            except NETWORK_ERRORS as error:
                raise broken(error, *self._times) from error
            patience -= time.monotonic() - began
            if not piece:
                break
            received += len(piece)
            self._limit(received)
            self._file.write(piece)
            self._tell(received, total)
            if received - counted >= MIN_BYTES_PER_SECOND * self._policy.read_timeout:
                counted, patience = received, self._policy.read_timeout
        if total is not None and received < total:
            raise Broken(f"the answer ended after {received} of {total} bytes")

    def _limit(self, bytes_: int | None) -> None:
        """Refuse to receive more than was promised, or than is allowed."""
        if bytes_ is None:
            return
        if self._size is not None and bytes_ > self._size:
            raise DataError(
                f"{self.shown}: the {self._what} has {bytes_} bytes or more, "
                f"{self._size} were promised"
            )
        if bytes_ > self._policy.max_size:
            raise DataError(
                f"{self.shown}: the {self._what} is larger than {self._policy.max_size} bytes"
                + ("; raise --max-size if that is right" if self._what == "archive" else "")
            )

    def _tell(self, received: int, total: int | None) -> None:
        self._emit("fetching", source=self.shown, bytes=received, total=total)

    def _empty(self) -> int:
        self._file.seek(0)
        self._file.truncate()
        return 0


class _Session(TrustingSession):
    """A session that hides redirects from requests: even when it is told not to follow them, it
    reads their whole bodies."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002
        return None

    def redirect_target(self, response: requests.Response) -> str | None:
        """The Location of a redirect, None for another answer."""
        return super().get_redirect_target(response)


class _Stalled(Exception):
    """Raised by the alarm into whatever is waiting."""


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise _Stalled inside the block when it has taken so long. Only waiting for a server belongs
    into one: a slow disk or a slow reader of events is not the server's fault."""
    if seconds <= 0:
        raise _Stalled

    def ring(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
        raise _Stalled

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _redirected(url: str, target: str) -> str:
    """The absolute URL that a redirect from `url` leads to. Raises Broken for a forbidden one."""
    try:
        joined = urljoin(url, target)
        scheme = urlsplit(joined).scheme
    except ValueError:
        raise Broken("a redirect leads to a malformed URL", error=ProtocolError) from None
    if scheme not in ("http", "https"):
        raise Broken(f"a redirect leads to a {scheme}: URL", error=ProtocolError)
    if scheme == "http" and url.lower().startswith("https:"):
        raise Broken("a redirect leads from https to http", error=ProtocolError)
    return joined


def _delay(failure: Broken, failures: int, policy: retry_policy.Policy, shown: str) -> float:
    """Seconds until the next attempt: what the server asks for, or the back-off."""
    jitter = random.random()  # noqa: S311 - no secret
    own = retry_policy.back_off(failures, policy.first_delay, policy.longest_delay, jitter)
    if failure.wait is None:
        return own
    if failure.wait > MAX_RETRY_AFTER_SECONDS:
        raise Unavailable(
            f"{shown}: {failure.reason} and asks to wait {failure.wait:.0f} s; try again then"
        )
    return max(failure.wait, own)


def _check(file: BinaryIO, shown: str, sha256: str | None, size: int | None, what: str) -> None:
    length = file.seek(0, os.SEEK_END)
    if size is not None and length != size:
        raise DataError(f"{shown}: the {what} has {length} bytes, expected {size}")
    if sha256 is not None:
        file.seek(0)
        found = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        if found != sha256:
            raise DataError(f"{shown}: the {what}'s SHA-256 is {found}, expected {sha256}")
