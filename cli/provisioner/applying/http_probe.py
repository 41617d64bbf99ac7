"""One HTTP probe: a GET, and whether the response is the expected one.

The server's certificate is checked against the authorities that packager believes (see
`packager.repositories.certificate_authorities`), or against those in the file `ca` of the probe;
not at all if that is false.

Redirects are followed only where the profile allows it; proxies and passwords of the environment
are not used (a probe asks this very host); no more of a response is read than is needed, and for no
longer than the timeout.
"""

from __future__ import annotations

import time
from urllib.parse import urljoin

import urllib3.exceptions
from packager import __version__
from packager.api import (
    NETWORK_ERRORS,
    REDIRECT_STATUSES,
    TrustingSession,
    ca_bundle,
    is_url,
    network_failure,
)
from packager.base.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import requests

    from provisioner.profile.documents import HttpProbeDocument

MAX_BODY_BYTES = 64 << 10
PIECE_BYTES = 4096
MAX_REDIRECTS = 10
DEFAULT_STATUS = 200
MIN_TIMEOUT_SECONDS = 0.001
# Said on standard error for each request whose certificate is not checked, as the profile asks for.
urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
HEADERS = {"User-Agent": f"provisioner/{__version__}", "Accept": "*/*"}


class _Session(TrustingSession):
    """Hides redirects from requests, which would read their whole bodies."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002
        return None


def probe_http(probe: HttpProbeDocument, timeout_seconds: float) -> str | None:
    """Why the condition is not met now; None: it is.

    timeout_seconds: for connecting and for the whole response. Nothing that a server can cause is
    raised.
    """
    deadline = time.monotonic() + timeout_seconds
    url = probe["url"]
    with _Session() as session:
        session.trust_env = False
        session.own_authorities = "ca" in probe
        verify = probe["ca"] if "ca" in probe else ca_bundle() or True
        for _ in range(MAX_REDIRECTS + 1):
            left = max(deadline - time.monotonic(), MIN_TIMEOUT_SECONDS)
            try:
                with session.get(
                    url, headers=HEADERS, stream=True, timeout=left, verify=verify
                ) as response:
                    target = response.headers.get("Location")
                    follow = probe.get("redirects", False)
                    if not (follow and target and response.status_code in REDIRECT_STATUSES):
                        return _evaluate(probe, response, deadline)
            except ConfigError as error:
                return str(error)
            except NETWORK_ERRORS as error:
                return network_failure(error, timeout_seconds, timeout_seconds).reason
            url = urljoin(url, target)
            if not is_url(url):
                return "a redirect leads away from http and https"
    return f"more than {MAX_REDIRECTS} redirects"


def _evaluate(probe: HttpProbeDocument, response: requests.Response, deadline: float) -> str | None:
    expected = probe.get("status", DEFAULT_STATUS)
    if response.status_code != expected:
        return f"the server answered {response.status_code}, not {expected}"
    text = probe.get("contains")
    if text is None:
        return None
    body = bytearray()
    while len(body) < MAX_BODY_BYTES:
        piece = response.raw.read1(PIECE_BYTES, decode_content=True)
        body += piece
        if text.encode() in body[:MAX_BODY_BYTES]:
            return None
        if not piece:
            break
        if time.monotonic() > deadline:
            return "the response takes too long"
    return "the response does not contain the text"
