"""Downloads: one URL into one file, or a clear reason why not.

The file on disk is the truth at every moment: it holds a prefix of the body, whatever broke off,
and its length says where to go on. What answers mean is decided in `retry_policy`; what goes wrong
below HTTP is put into words in `network_errors`. Redirects are followed here and not by requests,
which would read a redirect's body into memory, however long it is.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import BinaryIO, NoReturn
from urllib.parse import urlsplit

import requests

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
from packager.repositories import credentials, local_files, proxies, retry_policy, urls
from packager.repositories.expected_content import Expected
from packager.repositories.http_session import Authorization, Session, authorized
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
# What caches on the way are asked (RFC 9111, 5.2.1): to see whether what they have is still good,
# where it may have changed; to be left alone, where what they had was wrong.
REVALIDATE = "max-age=0"
LEAVE_ALONE = "no-cache"


class Forbidden(Denied):
    """The server's 403, which some give for what is not there, too."""


_REFUSALS: dict[str, type[PackagerError]] = {
    "not-found": NotFound,
    "forbidden": Forbidden,
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
    reads. A file URL is a file of this host.

    Raises NotFound, Denied, Unavailable (after the retries), ProtocolError, ConfigError, DataError
    for a wrong size or hash, OSError of the file. No message contains credentials.
    """
    expected = Expected(urls.redacted(url), what, sha256, size, policy.max_size)
    if urls.is_file_url(url):
        local_files.copy(url, file, expected, emit)
        expected.check(file)
        return
    download = _Download(url, file, policy, emit, expected)
    try:
        _checked(download, file, policy, emit, expected)
    except PackagerError as error:
        if download.led is None:
            raise
        raise type(error)(f"{error} (a redirect led to {download.led})") from None


def _checked(
    download: _Download,
    file: BinaryIO,
    policy: retry_policy.Policy,
    emit: Emit,
    expected: Expected,
) -> None:
    """Download and check; where a cache on the way had something else, once more past it."""
    try:
        _complete(download, policy, emit)
        expected.check(file, announced=download.announced)
    except DataError:
        if not download.cached:
            raise
        emit("retrying", source=download.shown, reason="a cache had something else", seconds=0.0)
        download.bypass_caches()
        _complete(download, policy, emit)
        expected.check(file, announced=download.announced)


def _complete(download: _Download, policy: retry_policy.Policy, emit: Emit) -> None:
    """Attempt after attempt until the file has all of the body, or there is no use in another."""
    failures = 0
    while True:
        try:
            download.attempt()
            return
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


class _Download:
    """One download over all its attempts: what is known of the remote file so far."""

    def __init__(
        self,
        url: str,
        file: BinaryIO,
        policy: retry_policy.Policy,
        emit: Emit,
        expected: Expected,
    ) -> None:
        self.shown = expected.shown
        self.cached = False  # whether what came last was in a cache on the way
        self.announced = True  # whether the server has said how long the body is
        self.led: str | None = None  # the host that a redirect led to
        self._url = url
        self._file = file
        self._policy = policy
        self._times = (policy.connect_timeout, policy.read_timeout)
        self._emit = emit
        self._expected = expected
        # Bound by size and hash, any server's bytes are as good as any other's.
        self._bound = retry_policy.Resumption("", expected.size) if expected.bound else None
        self._resumption = self._bound
        self._caches = REVALIDATE if expected.sha256 is None else None
        self._netrc_flaw = ""

    def bypass_caches(self) -> None:
        """Begin anew, and have all answers from the server itself."""
        self._empty()
        self._resumption = self._bound
        self._caches = LEAVE_ALONE

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
        if self._bound is not None and offset == self._expected.size:
            self._tell(offset, self._expected.size)
            return None  # it is all there; the hash will tell whether it is right
        if offset and (self._resumption is None or offset > (self._resumption.total or offset)):
            offset = self._empty()
        resumption = self._resumption if offset else None
        headers = dict(HEADERS)
        if self._caches is not None:
            headers["Cache-Control"] = self._caches
        if resumption is not None:
            headers["Range"] = f"bytes={offset}-"
            if resumption.validator:
                headers["If-Range"] = resumption.validator
        with Session() as session, self._open(session, headers) as response:
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
                if response.status_code in (401, 407):
                    self._explain(response)
                return verdict
            self.cached = retry_policy.from_cache(response.headers)
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

    def _explain(self, response: requests.Response) -> NoReturn:
        """Who asks is not told, or not right. Raises Denied, with the remedy."""
        said = f"{self.shown}: the server answered {response.status_code} {response.reason or ''}"
        is_proxy = response.status_code == 407
        asked = response.headers.get(f"{'Proxy' if is_proxy else 'WWW'}-Authenticate", "Basic")
        if "basic" not in asked.lower():
            scheme = asked.split(" ")[0].rstrip(",")[:40]
            who = "the proxy" if is_proxy else "it"
            raise Denied(f"{said.rstrip()}: {who} asks for {scheme}, and only Basic is known here")
        if is_proxy:
            raise Denied(
                f"{said.rstrip()}: the proxy wants another user and password than those in the "
                "variable that names it (http_proxy=http://USER:PASSWORD@…)"
            )
        if "Authorization" in response.request.headers:
            raise Denied(f"{said.rstrip()}: it does not take this user and password")
        raise Denied(
            f"{said.rstrip()}: it wants a user and a password; ~/.netrc (or NETRC) names them, "
            f"or the URL{self._netrc_flaw}"
        )

    def _open(self, session: Session, headers: dict[str, str]) -> requests.Response:
        """The first answer that is no redirect. Credentials stay with the host they are for."""
        url = self._url
        reason = urls.flaw(url)
        if reason is not None:
            raise Broken(f"the URL is malformed: {reason}", error=UsageError)
        self.led = None
        own = url if credentials.in_url(url) else None  # whose credentials go with the redirects
        for _ in range(MAX_REDIRECTS + 1):
            try:
                response = self._send(session, url, headers, own)
            except Broken as failure:
                if failure.error is UsageError and url != self._url:
                    raise Broken(
                        "a redirect leads to a malformed URL", error=ProtocolError
                    ) from None
                raise
            if response.status_code not in retry_policy.REDIRECTS:
                return response
            location = response.headers.get("Location")
            if location is None:
                return response
            response.close()
            try:
                target = urls.redirected(url, location)
            except urls.Malformed as malformed:
                raise Broken(f"a redirect leads {malformed}", error=ProtocolError) from None
            if session.should_strip_auth(url, target):  # type: ignore[no-untyped-call]
                own = None
            url = target
            self.led = urlsplit(url).netloc.rpartition("@")[2]
        raise Broken(f"more than {MAX_REDIRECTS} redirects", error=ProtocolError)

    def _send(
        self, session: Session, url: str, headers: dict[str, str], own: str | None
    ) -> requests.Response:
        times = self._times
        chosen = proxies.chosen(url)
        try:
            request = session.prepare_request(
                requests.Request("GET", url, headers=headers, auth=self._authorization(url, own))
            )
            settings = session.merge_environment_settings(request.url, {}, True, None, None)
            settings["proxies"] = chosen
            with _alarm(sum(times)):
                return session.send(request, timeout=times, allow_redirects=False, **settings)
        except NETWORK_ERRORS as error:
            raise broken(error, *times) from error

    def _authorization(self, url: str, own: str | None) -> Authorization:
        """Those in the URL itself come first, then those of the URL that led here."""
        whose = url if own is None or credentials.in_url(url) else own
        redirected = self.led is not None and whose is url
        try:
            return authorized(credentials.authorization(whose, redirected=redirected))
        except credentials.BadNetrc as bad:
            self._netrc_flaw = f" ({bad})"
            said = credentials.in_url(whose)
            return authorized(None if said is None else credentials.basic(*said))

    def _receive(self, response: requests.Response, body: retry_policy.Body) -> None:
        self.announced = body.total is not None or response.raw.chunked
        self._expected.announced(body.total)
        total = self._expected.size if body.total is None else body.total
        self._expected.limit(total)
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
            self._expected.limit(received)
            self._file.write(piece)
            self._tell(received, total)
            if received - counted >= MIN_BYTES_PER_SECOND * self._policy.read_timeout:
                counted, patience = received, self._policy.read_timeout
        if total is not None and received < total:
            raise Broken(f"the answer ended after {received} of {total} bytes")

    def _tell(self, received: int, total: int | None) -> None:
        self._emit("fetching", source=self.shown, bytes=received, total=total)

    def _empty(self) -> int:
        self._file.seek(0)
        self._file.truncate()
        return 0


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
