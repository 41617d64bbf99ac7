"""The index of a repository: one JSON document that says which archives there are.

    {"index":1,"packages":[
    {"id":"hello--1.0","path":"hello--1.0.tar.xz","size":424,"sha256":"…","tree":"…","pkginfo":null}
    ]}

Packages are sorted by id, one a line, so that the same archives give the same bytes and a change is
a small difference. `path` is relative to the repository's own URL. An index comes from a server
that may be anybody's: everything in it is checked before anything is believed, and unknown members
of a package are left alone, for later versions of this format.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote

from packager.base import strict_json
from packager.base.errors import DataError
from packager.package.package_id import flaw, split_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION = 1
FILE_NAME = "index.json"
MAX_INDEX_BYTES = 64 << 20  # bytes of an index
MAX_PACKAGES = 200_000
# What the values in an index may take in memory: the largest one of packages takes less, as many
# bytes of nothing but small objects would take several times as much.
MAX_PARSED_BYTES = 512 << 20
MAX_NUMBER = (1 << 53) - 1  # what every JSON reader has exactly
MAX_FLOAT_CHARACTERS = 64  # characters
MAX_PATH_CHARACTERS = 1024
PATH_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@._+:~-"
HEXADECIMAL = frozenset("0123456789abcdef")


_WIDEST = re.compile(rb"[\xf0-\xf7]")  # how characters above U+FFFF begin in UTF-8
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F])|.)",
    re.DOTALL,
)


class Package:
    """One archive of a repository. size: of the archive, in bytes; tree: hash of what it holds."""

    __slots__ = ("id", "name", "path", "pkginfo", "sha256", "size", "tree", "version")

    def __init__(
        self,
        package_id: str,
        path: str,
        *,
        size: int,
        sha256: str,
        tree: str | None,
        pkginfo: dict[str, object] | None,
    ) -> None:
        self.id = package_id
        self.name, self.version = split_id(package_id)
        self.path = path
        self.size = size
        self.sha256 = sha256
        self.tree = tree
        self.pkginfo = pkginfo  # as the index has it: not yet judged by `pkginfo`

    def document(self) -> dict[str, object]:
        """What the index says of it."""
        return {
            "id": self.id,
            "path": self.path,
            "size": self.size,
            "sha256": self.sha256,
            "tree": self.tree,
            "pkginfo": self.pkginfo,
        }


def encode(packages: Iterable[Package]) -> bytes:
    """The index of these packages, the same bytes in whatever order they come."""
    lines = [
        json.dumps(each.document(), ensure_ascii=False, separators=(",", ":"))
        for each in sorted(packages, key=lambda each: each.id)
    ]
    body = ",\n".join(lines) + "\n" if lines else ""
    return f'{{"index":{VERSION},"packages":[\n{body}]}}\n'.encode()


def decode(content: bytes) -> dict[str, Package]:
    """The packages of an index by id. Raises DataError, which names the place in the document."""
    reason = excess(content)
    if reason is not None:
        raise DataError(reason)
    try:
        document = strict_json.loads(content.decode(), parse_float=_float)
        if _hides_half_a_character(content):
            raise ValueError("an escape of half a character (a surrogate without its other)")
    except RecursionError:
        raise DataError("it is nested too deeply") from None
    except ValueError as error:
        raise DataError(f"it is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise DataError("it is not an object")
    version = document.get("index")
    if version != VERSION or type(version) is not int:
        raise DataError(f"/index: {VERSION} is needed; this may be a newer kind of repository")
    listed = document.get("packages")
    if not isinstance(listed, list):
        raise DataError("/packages: a list is needed")
    if len(listed) > MAX_PACKAGES:
        raise DataError(f"/packages: there are more than {MAX_PACKAGES}")
    packages: dict[str, Package] = {}
    for at, each in enumerate(listed):
        try:
            package = _package(each)
        except ValueError as error:
            raise DataError(f"/packages/{at}{error}") from None
        if package.id in packages:
            raise DataError(f"/packages/{at}/id: {package.id} is given twice")
        packages[package.id] = package
    return packages


def excess(content: bytes) -> str | None:
    """Why an index is too large to be read, or None. No object is made to find that out."""
    if len(content) > MAX_INDEX_BYTES:
        return f"it is larger than {MAX_INDEX_BYTES} bytes"
    # CPython 3.11 to 3.14: what an object of one name takes, a list of one value, a value; and each
    # character, as wide as the widest is.
    width = 1 if content.isascii() else 4 if _WIDEST.search(content) else 2
    parsed = width * len(content) + 240 * content.count(b"{")
    parsed += 64 * (content.count(b"[") + content.count(b","))
    if parsed > MAX_PARSED_BYTES:
        return f"its values would take more than {MAX_PARSED_BYTES >> 20} MiB in memory"
    return None


def location(base: str, path: str) -> str:
    """The URL of `path`, checked before, in the repository at `base`, which ends with a slash.

    Joined by hand: to a URL resolver, a path such as `a--1:2.tar` has a scheme of its own. A plus
    is encoded: servers that are like S3 take it for a blank.
    """
    return base + quote(path, safe="/@~")


def path_flaw(path: str) -> str | None:
    """What is wrong with `path` as that of an archive in a repository, or None."""
    if not path or len(path) > MAX_PATH_CHARACTERS:
        return f"it has to have 1 to {MAX_PATH_CHARACTERS} characters"
    for part in path.split("/"):
        if not part or part.startswith(".") or part.strip(PATH_CHARACTERS):
            return (
                "it has to be relative, its parts of A-Z a-z 0-9 @ . _ + : ~ - "
                "and none empty or beginning with a dot"
            )
    return None


def _package(value: object) -> Package:
    """Raises ValueError, with the place in it before the reason."""
    if not isinstance(value, dict):
        raise ValueError(": an object is needed")
    package_id = value.get("id")
    reason = flaw(package_id) if isinstance(package_id, str) else "a string is needed"
    if reason or not isinstance(package_id, str):
        raise ValueError(f"/id: {reason}")
    path = value.get("path")
    reason = path_flaw(path) if isinstance(path, str) else "a string is needed"
    if reason or not isinstance(path, str):
        raise ValueError(f"/path: {reason}")
    size = value.get("size")
    if type(size) is not int or not 0 < size <= MAX_NUMBER:
        raise ValueError("/size: a number of bytes, more than 0, is needed")
    tree = value.get("tree")
    pkginfo = value.get("pkginfo")
    if pkginfo is not None and not isinstance(pkginfo, dict):
        raise ValueError("/pkginfo: an object or null is needed")
    return Package(
        package_id,
        path,
        size=size,
        sha256=_sha256(value.get("sha256"), "/sha256"),
        tree=None if tree is None else _sha256(tree, "/tree"),
        pkginfo=pkginfo,
    )


def _hides_half_a_character(content: bytes) -> bool:
    """Whether a string of the JSON text has a surrogate without its other, which is not text.
    Looked for in the escapes: writing the document again would take as much memory as it does."""
    if _SURROGATE.search(content) is None:
        return False
    return any(each[1] for each in _ESCAPE.finditer(content))


def _sha256(value: object, place: str) -> str:
    if not isinstance(value, str) or len(value) != 64 or not HEXADECIMAL.issuperset(value):
        raise ValueError(f"{place}: 64 small hexadecimal digits are needed")
    return value


def _float(digits: str) -> float:
    if len(digits) > MAX_FLOAT_CHARACTERS:
        raise ValueError("a number is too large")
    return strict_json.finite(digits)
