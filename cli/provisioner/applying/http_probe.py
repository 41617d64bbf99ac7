"""One HTTP probe: a GET, and whether what is answered is what was wanted.

Redirects are followed only where the profile allows it; the proxies and passwords of the
environment are not for it (a probe asks this very host); no more of an answer is read than is
needed, and not for longer than it may take.
"""

from __future__ import annotations

import time
from urllib.parse import urljoin

import requests
from packager import __version__
from packager.repositories import http_policy
from packager.repositories.network_errors import NETWORK_ERRORS, broken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from provisioner.profile.model import Document

MOST_READ = 64 << 10  # bytes of an answer
PIECE = 4096
MOST_REDIRECTS = 10
HEADERS = {"User-Agent": f"provisioner/{__version__}", "Accept": "*/*"}


class _Session(requests.Session):
    """Hides redirects from requests, which would read their whole bodies."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002
        return None


def ask(probe: Document, timeout: float) -> str | None:
    """Why the condition `probe` (url, status, contains, redirects) is not met now; None: it is.

    timeout: seconds, for connecting and for the whole answer. Raises nothing a server can cause.
    """
    deadline = time.monotonic() + timeout
    url = probe["url"]
    with _Session() as session:
        session.trust_env = False
        for _ in range(MOST_REDIRECTS + 1):
            left = max(deadline - time.monotonic(), 0.001)
            try:
                with session.get(url, headers=HEADERS, stream=True, timeout=left) as response:
                    target = response.headers.get("Location")
                    follow = probe.get("redirects", False)
                    if not (follow and target and response.status_code in http_policy.REDIRECTS):
                        return _judge(probe, response, deadline)
            except NETWORK_ERRORS as error:
                return broken(error, timeout, timeout).reason
            url = urljoin(url, target)
            if not http_policy.is_url(url):
                return "a redirect leads away from http and https"
    return f"more than {MOST_REDIRECTS} redirects"


def _judge(probe: Document, response: requests.Response, deadline: float) -> str | None:
    wanted = probe.get("status", 200)
    if response.status_code != wanted:
        return f"the server answered {response.status_code}, not {wanted}"
    text = probe.get("contains")
    if text is None:
        return None
    body = bytearray()
    while len(body) < MOST_READ:
        piece = response.raw.read1(PIECE, decode_content=True)
        body += piece
        if text.encode() in body[:MOST_READ]:
            return None
        if not piece:
            break
        if time.monotonic() > deadline:
            return "the answer takes too long"
    return "the answer does not have the text in it"
