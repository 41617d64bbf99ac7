"""Credentials files: who may use routes with a realm, in the formats of a Mesos agent.

Source: Mesos `credentials.hpp`.
"""

from __future__ import annotations

import codecs
import json
import os
import stat
from pathlib import Path


class CredentialsError(ValueError):
    """A credentials file that can't be used; the text names the file, the place and the reason."""


def read_credentials(path: Path) -> tuple[dict[bytes, bytes], list[str]]:
    """Read a credentials file in either of Mesos's formats.

    Args:
        path: JSON (`{"credentials": [{"principal": …, "secret": …}]}`) or the old text form, one
            `principal secret` pair a line.

    Returns:
        Secrets by principal, and sentences about what lets somebody in, or nobody, that was
        hardly meant to.

    Raises:
        CredentialsError: the file can't be read or understood, others may write it, or it holds
            none: a host would take that for one that guards nothing.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read()
    except OSError as error:
        raise CredentialsError(f"{path}: can't be read: {error.strerror}") from None
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CredentialsError(
            f"{path}: others may write it (mode {stat.S_IMODE(mode):04o}), and so let themselves"
            f" in: chmod 600 {path}"
        )
    warnings = []
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        warnings.append(
            f"{path}: others may read the secrets (mode {stat.S_IMODE(mode):04o}): chmod 600 {path}"
        )
    is_json = text.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{"
    if text.startswith(codecs.BOM_UTF8):
        if is_json:
            raise CredentialsError(f"{path}: it begins with a byte order mark: remove it")
        warnings.append(
            f"{path}: the byte order mark is taken for a part of the first principal, whom it keeps"
            " out: remove it"
        )
    credentials = _from_json(path, text) if is_json else _from_text(path, text)
    if not credentials:
        raise CredentialsError(f"{path}: there are no credentials in it")
    for principal in credentials:
        if b":" in principal or b"\0" in principal or not principal:
            raise CredentialsError(f"{path}: the principal {principal!r} can't be used for HTTP")
    for principal, secret in credentials.items():
        if b":" in secret:
            name = principal.decode("utf-8", "backslashreplace")
            warnings.append(
                f"{path}: the secret of {name} has a colon, which no agent takes in a login: nobody"
                " gets in by it"
            )
    return credentials, warnings


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
