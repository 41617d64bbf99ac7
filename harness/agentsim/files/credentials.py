"""Credentials files: who may use routes with a realm, in the formats of a Mesos agent.

Source: Mesos `credentials.hpp`.
"""

from __future__ import annotations

import json
from pathlib import Path


class CredentialsError(ValueError):
    """A credentials file that can't be used; the text names the file, the place and the reason."""


def read_credentials(path: Path) -> dict[bytes, bytes]:
    """Read a credentials file in either of Mesos's formats.

    Args:
        path: JSON (`{"credentials": [{"principal": …, "secret": …}]}`) or the old text form, one
            `principal secret` pair a line.

    Returns:
        Secrets by principal.

    Raises:
        CredentialsError: the file can't be read or understood, or holds none: a host would take
            that for one that guards nothing.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise CredentialsError(f"{path}: can't be read: {error.strerror}") from None
    credentials = _from_json(path, text) if text.lstrip()[:1] == b"{" else _from_text(path, text)
    if not credentials:
        raise CredentialsError(f"{path}: there are no credentials in it")
    for principal in credentials:
        if b":" in principal or b"\0" in principal or not principal:
            raise CredentialsError(f"{path}: the principal {principal!r} can't be used for HTTP")
    return credentials


def _from_json(path: Path, text: bytes) -> dict[bytes, bytes]:
    try:
        document = json.loads(text)
        return {
            entry["principal"].encode(): entry["secret"].encode()
            for entry in document["credentials"]
        }
    except ValueError as error:
        raise CredentialsError(f"{path}: not JSON: {error}") from None
    except (KeyError, TypeError, AttributeError):
        raise CredentialsError(
            f'{path}: expected {{"credentials": [{{"principal": "…", "secret": "…"}}]}}'
        ) from None


def _from_text(path: Path, text: bytes) -> dict[bytes, bytes]:
    credentials = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2:
            raise CredentialsError(f"{path}:{number}: expected a principal and a secret")
        credentials[words[0]] = words[1]
    return credentials
