"""Certificates that are trusted in place of the system's."""

from __future__ import annotations

import ssl

from packager.base.errors import ConfigError


def tls_context(ca: str | None) -> ssl.SSLContext | None:
    """What trusts the certificates at this path; None: what the system trusts. Raises
    ConfigError."""
    if ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{ca}: it can't be read as certificates: {error}") from error
