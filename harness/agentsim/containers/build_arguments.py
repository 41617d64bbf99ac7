"""What a build inside a container needs to know of the network that this machine is in.

Containers share neither the environment nor the configuration of who builds them: proxies, a
private package index and certificate authorities have to be handed over. They go to stages of the
Dockerfile of which no image is kept.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

# Docker knows these by itself: they are in force in each step, and in no image. Some programs read
# the one spelling only, some the other: apt that in small letters.
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
_PIP: Final = {
    "PIP_INDEX_URL": "global.index-url",
    "PIP_EXTRA_INDEX_URL": "global.extra-index-url",
    "PIP_TRUSTED_HOST": "global.trusted-host",
}
#: Where Debian and its kin keep the authorities that an administrator has added.
OWN_AUTHORITIES: Final = Path("/usr/local/share/ca-certificates")
# Linux hands no longer string to a program (execve(2), MAX_ARG_STRLEN).
_LONGEST: Final = 131_000


class TooLong(Exception):
    """More certificates than a build argument can hold."""


def build_arguments(
    environment: Mapping[str, str], pip: Mapping[str, str], authorities: Sequence[Path]
) -> dict[str, str]:
    """Build arguments that let a build use what this machine uses.

    Args:
        environment: of this process.
        pip: pip's own configuration, `global.index-url` and so on.
        authorities: files of certificates (PEM) to be trusted beside those that everybody trusts.

    Raises:
        TooLong: the certificates are too many; the text says what helps.
    """
    found = {}
    for name in _PROXIES:
        value = environment.get(name) or environment.get(name.lower())
        if value:
            found[name] = value
            found[name.lower()] = environment.get(name.lower()) or value
    for name, key in _PIP.items():
        value = environment.get(name) or pip.get(key)
        if value:
            found[name] = value
    certificates = "".join(file.read_text(encoding="ascii") for file in authorities)
    if len(certificates) > _LONGEST:
        raise TooLong(
            f"{len(certificates)} bytes of certificates are too many for a build argument: name"
            " the file of your own authority (--ca-file), not a bundle of all there are"
        )
    if certificates:
        found["CA_CERTIFICATES"] = certificates
    return found


def of_this_machine(authorities: Sequence[Path]) -> dict[str, str]:
    """The build arguments for here; without authorities, those that were added to this machine."""
    files = list(authorities) or sorted(OWN_AUTHORITIES.glob("*.crt"))
    return build_arguments(os.environ, _pip_configuration(), files)


def _pip_configuration() -> dict[str, str]:
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    pairs = (line.partition("=") for line in listing.splitlines())
    return {key: value.strip("'\"") for key, _, value in pairs}
