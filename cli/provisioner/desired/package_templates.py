"""Templates that are in packages of the profile (`from` of a file)."""

from __future__ import annotations

import os
import stat

from packager.api import split_id
from packager.base.errors import DataError, NotFound, from_os_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from provisioner.profile.documents import TemplateSource

MAX_TEMPLATE_BYTES = 1 << 20


def read_package_template(
    root: str, path: str, source: TemplateSource, ids: Iterable[str]
) -> tuple[str, str] | None:
    """What messages call the template, and its text; None: its package is not in the store yet.

    path: of the file that it is for. ids: the packages of the profile. Raises NotFound, DataError,
    PackagerError for errno.
    """
    package = source["package"]
    found = [each for each in ids if package in (each, split_id(each)[0])]
    if not found:
        raise NotFound(
            f"{path}: its template is to come from {package}, which is not among the packages of "
            "the profile: add it there"
        )
    tree = os.path.realpath(f"{root}/packages/{found[0]}")
    place = f"{found[0]}/{source['path']}"
    if not os.path.lexists(tree):
        return None
    real = os.path.realpath(f"{tree}/{source['path']}")
    if not real.startswith(f"{tree}/"):
        raise DataError(f"{path}: {place} is a link that leads out of the package")
    try:
        fd = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:  # noqa: PTH123
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise DataError(f"{path}: {place} is not a file; a template is one")
            content = file.read(MAX_TEMPLATE_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError):
        raise NotFound(f"{path}: there is no template {place}") from None
    except OSError as error:
        raise from_os_error(error, real) from error
    if len(content) > MAX_TEMPLATE_BYTES:
        raise DataError(f"{path}: {place} has more than {MAX_TEMPLATE_BYTES} bytes")
    try:
        return f"{path} (from {place})", content.decode()
    except UnicodeDecodeError:
        raise DataError(f"{path}: {place} is not UTF-8") from None
