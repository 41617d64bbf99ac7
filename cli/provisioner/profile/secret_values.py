"""Secrets of a profile: read when they are needed, and given to nobody but templates."""

from __future__ import annotations

import os
import stat

from packager.base.bounded_read import read_up_to
from packager.base.errors import DataError, NotFound, from_os_error

from provisioner.base.core_dumps import forbid_core_dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from packager.base.events import Emit

    from provisioner.profile.documents import Secret

MAX_SECRET_BYTES = 1 << 20
# In the names of values that may be secrets.
SECRET_WORDS = ("password", "passwd", "secret", "token", "credential", "private")
BYTE_ORDER_MARK = "\ufeff"


def read_secrets(secrets: Mapping[str, Secret], emit: Emit) -> dict[str, str]:
    """The secrets' texts, by name; those that are in files are read, without their last newline.

    Event: `warning` for a file that others may read, or whose text begins or ends with white space.
    Raises NotFound, DataError for what is no text or is empty, PackagerError for errno; no message
    contains a secret.
    """
    forbid_core_dumps()
    return {
        name: each if isinstance(each, str) else _read_file(name, each["file"], emit)
        for name, each in secrets.items()
    }


def _read_file(name: str, path: str, emit: Emit) -> str:
    place = f"the secret {name}: {path}"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise DataError(f"{place} is not a file")
            content = read_up_to(fd, MAX_SECRET_BYTES)
        finally:
            os.close(fd)
    except FileNotFoundError:
        raise NotFound(f"{place}: there is no such file") from None
    except OSError as error:
        raise type(from_os_error(error))(f"{place}: {error.strerror}") from error
    if len(content) > MAX_SECRET_BYTES:
        raise DataError(f"{place} has more than {MAX_SECRET_BYTES} bytes")
    if status.st_mode & stat.S_IRWXO:
        emit("warning", message=f"{place} can be read by everybody (chmod o= {path})")
    try:
        text = content.removesuffix(b"\n").decode()
    except UnicodeDecodeError:
        raise DataError(f"{place} is not UTF-8") from None
    if not text.strip():
        raise DataError(f"{place} is empty; what it is a secret for would be open")
    if text.endswith("\r"):
        emit(
            "warning",
            message=f"{place} ends with a carriage return (CR LF, as Windows ends lines), which is "
            "part of the secret",
        )
    elif text != text.strip() or text.startswith(BYTE_ORDER_MARK):
        emit(
            "warning",
            message=f"{place} begins or ends with white space or a byte order mark, which is part "
            "of the secret",
        )
    return text


def may_be_secret(name: str) -> bool:
    """Whether the name of a value sounds like that of a secret. Pure."""
    return any(word in name.lower() for word in SECRET_WORDS)


def suspicious_values(values: Mapping[str, object], place: str = "values") -> list[str]:
    """The places of texts among the values that sound like secrets, and are no paths: plans show
    them, and files rendered with them can be read by everybody. Pure."""
    found = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += suspicious_values(value, f"{place}.{name}")
        elif isinstance(value, str) and value and value[0] != "/" and may_be_secret(name):
            found.append(f"{place}.{name}")
    return found


def has_inline_secrets(secrets: Mapping[str, Secret]) -> bool:
    """Whether a secret stands in the profile itself. Pure."""
    return any(isinstance(each, str) for each in secrets.values())
