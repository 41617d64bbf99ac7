"""Keys: Ed25519, the private one in a file of its own, the public one a word to be copied.

A private key is PKCS#8 in PEM, as every other tool writes it (`openssl genpkey -algorithm
ed25519`). The public key is `ed25519:` and 64 hexadecimal digits: what configurations name.

The libraries (python-tuf, and cryptography below it) are an extra of this package, `signed`: only
who signs an index, or wants signed ones, needs them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from packager.base.errors import (
    ConfigError,
    Conflict,
    DataError,
    NotFound,
    UsageError,
    from_os_error,
)
from packager.repositories.configuration_file import KEY_PREFIX

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, SSlibKey

MAX_KEY_BYTES = 16 << 10  # bytes of a key's file
HEXADECIMAL = frozenset("0123456789abcdef")


@contextmanager
def libraries() -> Iterator[None]:
    """Say what to install when the libraries for signatures are not there."""
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"signatures need the Python library {error.name or 'tuf'}, which is not installed: "
            "install the extra 'signed' of mesos-packager"
        ) from None


def make(path: str) -> str:
    """Make a private key in the new file `path` and return its public key.

    Raises Conflict if the file is there, ConfigError, PackagerError for what the system says.
    """
    with libraries():
        from securesystemslib.signer import CryptoSigner
    signer = CryptoSigner.generate_ed25519()
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:  # noqa: PTH123
            file.write(signer.private_bytes)
            file.flush()
            os.fsync(fd)
    except FileExistsError:
        raise Conflict(f"{path}: there is a file already; keys are never overwritten") from None
    except FileNotFoundError:
        raise NotFound(f"{path}: there is no such directory") from None
    except OSError as error:
        raise from_os_error(error, path) from error
    return word(signer.public_key)


def load(path: str) -> CryptoSigner:
    """The private key in the file `path`. Raises NotFound, DataError, ConfigError."""
    with libraries():
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from securesystemslib.signer import CryptoSigner
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            content = file.read(MAX_KEY_BYTES)
    except FileNotFoundError:
        raise NotFound(f"{path}: there is no such file; 'packager key --new' makes one") from None
    except OSError as error:
        raise from_os_error(error, path) from error
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError:
        raise DataError(f"{path}: the key is encrypted; packager reads plain keys only") from None
    except Exception:  # what the library raises for a damaged file is of many kinds
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise DataError(f"{path}: this is not a private Ed25519 key in PEM")
    return CryptoSigner(key)


def public(word_or_path: str) -> SSlibKey:
    """The public key that is written as a word, or that of a private key's file."""
    digits = word_or_path.removeprefix(KEY_PREFIX)
    if digits == word_or_path:
        return load(word_or_path).public_key
    with libraries():
        from securesystemslib.signer import SSlibKey
    if len(digits) != 64 or not HEXADECIMAL.issuperset(digits):
        raise UsageError(f"{word_or_path}: {KEY_PREFIX} and 64 hexadecimal digits are needed")
    with libraries():
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(digits)))


def word(key: SSlibKey) -> str:
    """The public key as configurations name it."""
    return f"{KEY_PREFIX}{key.keyval['public']}"
