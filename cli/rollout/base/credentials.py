"""Credentials from files: never from the command line, where everybody on the machine sees them."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from packager.base.bounded_read import read_up_to
from packager.base.errors import ConfigError, from_os_error

MAX_BYTES = 1 << 16


def read_credentials(path: str) -> tuple[str, str]:
    """Principal and secret from a file: `principal secret` in a line, or an object of JSON with
    both, as Mesos has its files. Raises ConfigError, PackagerError for errno; no message has any of
    the content."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            mode = os.fstat(fd).st_mode
            content = read_up_to(fd, MAX_BYTES)
        finally:
            os.close(fd)
    except OSError as error:
        raise from_os_error(error, str(Path(path).absolute())) from error
    if mode & stat.S_IRWXO and stat.S_ISREG(mode):
        raise ConfigError(f"{path}: everybody on this machine can read it: chmod o= {path}")
    try:
        principal, secret = _parsed(content.decode())
    except (ValueError, KeyError, TypeError):
        raise ConfigError(
            f"{path}: a line `principal secret` is needed, or an object with both"
        ) from None
    if not principal or ":" in principal or not secret:
        raise ConfigError(f"{path}: the principal or the secret is empty, or the first has a colon")
    return principal, secret


def _parsed(text: str) -> tuple[str, str]:
    if text.lstrip().startswith("{"):
        document = json.loads(text)
        principal, secret = document["principal"], document["secret"]
        if not isinstance(principal, str) or not isinstance(secret, str):
            raise TypeError
        return principal, secret
    (line,) = [each for each in text.splitlines() if each.strip()]
    principal, secret = line.split(None, 1)
    return principal, secret.strip()
