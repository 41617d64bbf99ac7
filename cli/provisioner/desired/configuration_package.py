"""The configuration of a profile: its files, rendered, as a package of its own.

The package is called `<profile>-config--<digest of its content>`: the same content is the same
package, and the store keeps, verifies, activates and rolls it back like every other one.
"""

from __future__ import annotations

import hashlib
import os
import stat

from packager.archive import tar_writer
from packager.base.errors import DataError, NotFound, from_os_error
from packager.package.entry_kinds import FILE
from packager.package.manifest import PKGINFO, Entry, Manifest, compact
from packager.package.package_id import split_id

from provisioner.profile import secret_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from provisioner.profile.document import Document, Profile

LARGEST_TEMPLATE = 1 << 20  # bytes of a template in a package
PUBLIC, PRIVATE = 0o644, 0o600
DIGITS = 16  # of the digest, in the package's id


class File:
    """One file of the configuration. secret: its template has looked at a secret."""

    __slots__ = ("content", "mode", "path", "restart", "secret")

    def __init__(
        self, path: str, content: bytes, mode: int, *, secret: bool, restart: Sequence[str]
    ) -> None:
        self.path = path
        self.content = content
        self.mode = mode
        self.secret = secret
        self.restart = tuple(restart)  # units


class Configuration:
    """The rendered configuration. `files` is sorted by path; without any there is no package.

    unknown: paths of files whose templates are in packages that are not in the store yet.
    facts: the facts that were used, by name.
    """

    __slots__ = ("archive", "facts", "files", "id", "unknown")

    def __init__(
        self,
        package_id: str | None,
        files: list[File],
        archive: bytes,
        unknown: list[str],
        facts: dict[str, Any],
    ) -> None:
        self.id = package_id
        self.files = files
        self.archive = archive
        self.unknown = unknown
        self.facts = facts

    @property
    def private(self) -> bool:
        """Whether a file of it holds a secret."""
        return any(each.secret for each in self.files)


def make(
    root: str,
    profile: Profile,
    *,
    ids: Iterable[str],
    roles: Sequence[str],
    secrets: Mapping[str, str],
    key: bytes,
    facts: Callable[[], Mapping[str, Any]],
) -> Configuration:
    """Render the configuration of `profile` for a host with the packages `ids` and these roles.

    secrets: their texts by name. key: of the store's keyed digests. facts: asked only if a template
    may use them. Nothing is written. Raises DataError and NotFound for templates that are wrong or
    not there, ConfigError if a library is missing.
    """
    texts: dict[str, str] = {}  # templates, by the path of what is made of them
    places: dict[str, str] = {}
    unknown = []
    for each in profile.files:
        path = each["path"]
        if "template" in each:
            texts[path], places[path] = each["template"], path
        elif "from" in each:
            found = _of_package(root, path, each["from"], ids)
            if found is None:
                unknown.append(path)
            else:
                places[path], texts[path] = found
    results: dict[str, tuple[str, bool]] = {}
    used: dict[str, Any] = {}
    if texts:
        from provisioner.desired.template_renderer import render
        from provisioner.desired.templates import Names, Template

        known = facts() if any("facts" in text for text in texts.values()) else {}
        names = Names(
            profile=profile.name,
            roles=roles,
            values=profile.values,
            secrets=secrets,
            facts=known,
        )
        rendered = render([Template(places[path], text) for path, text in texts.items()], names)
        for path, result in zip(texts, rendered, strict=True):
            results[path] = (result.text, result.secret)
            used |= {name: known.get(name) for name in result.facts}
    files = [
        _file(each, *results.get(each["path"], (each.get("content", ""), False)))
        for each in profile.files
        if each["path"] not in unknown
    ]
    files.sort(key=lambda file: file.path)
    return _packed(profile, files, unknown, used, key)


def restarted(before: Iterable[Entry], after: Configuration, known: Mapping[str, Any]) -> list[str]:
    """The units to restart when the files `before` become those of `after`, sorted.

    known: what the profile before said of restarts, paths to units: for files that go.
    """
    old = {each.path: (each.sha256, each.mode) for each in before if each.kind == FILE}
    new = {each.path: (sha256(each.content), each.mode) for each in after.files}
    units: set[str] = set()
    for each in after.files:
        if old.get(each.path) != new[each.path]:
            units.update(each.restart)
    for path in old.keys() - new.keys():
        units.update(known.get(path, ()))
    return sorted(units)


def manifest(configuration: Configuration, profile: Profile) -> Manifest:
    """What the store will know of the package: its entries."""
    found = [
        Entry(path, FILE, mode=mode, size=len(content), sha256=sha256(content))
        for path, content, mode in _members(profile, configuration.files)
    ]
    directories = set()
    for entry in found:
        parent = entry.path.rpartition("/")[0]
        while parent:
            directories.add(parent)
            parent = parent.rpartition("/")[0]
    return Manifest([*found, *(Entry(path, "directory", mode=0o755) for path in directories)])


def _packed(
    profile: Profile, files: list[File], unknown: list[str], used: dict[str, Any], key: bytes
) -> Configuration:
    if not files:
        return Configuration(None, [], b"", unknown, used)
    pieces = []
    for path, content, mode in _members(profile, files):
        head = tar_writer.header(path, FILE, mode=mode, size=len(content), target="", mtime=0)
        pieces += [head, content, tar_writer.padding(len(content))]
    archive = b"".join([*pieces, tar_writer.END_OF_ARCHIVE])
    secret = any(each.secret for each in files)
    digest = secret_values.keyed(key, archive) if secret else sha256(archive)
    package_id = f"{profile.config_name}--{digest[:DIGITS]}"
    return Configuration(package_id, files, archive, unknown, used)


def _members(profile: Profile, files: Iterable[File]) -> list[tuple[str, bytes, int]]:
    """Path, content and mode of all files of the package."""
    words = f"The configuration of the profile {profile.name}, made by provisioner."
    info = compact({"description": words}) + b"\n"
    own = [(each.path, each.content, each.mode) for each in files]
    return sorted([*own, (PKGINFO, info, PUBLIC)])


def _file(told: Document, text: str, secret: bool) -> File:
    mode = int(told["mode"], 8) if "mode" in told else PRIVATE if secret else PUBLIC
    if secret and mode & 0o077:
        raise DataError(
            f"{told['path']} holds a secret, so nobody but its owner may read it: "
            f"its mode can't be {mode:04o}; say 0600, or nothing"
        )
    restart = told.get("restart", ())
    return File(told["path"], text.encode(), mode, secret=secret, restart=restart)


def _of_package(
    root: str, path: str, source: Mapping[str, str], ids: Iterable[str]
) -> tuple[str, str] | None:
    """How the template is called and its text; None: its package is not in the store yet."""
    wanted = source["package"]
    found = [each for each in ids if wanted in (each, split_id(each)[0])]
    if not found:
        raise NotFound(
            f"{path}: its template is to come from {wanted}, which is not among the packages of "
            "the profile: add it there"
        )
    tree = os.path.realpath(f"{root}/packages/{found[0]}")
    place = f"{found[0]}/{source['path']}"
    if not os.path.lexists(tree):
        return None
    real = os.path.realpath(f"{tree}/{source['path']}")
    if not real.startswith(f"{tree}/"):
        raise DataError(f"{path}: {place} is a link that leaves the package")
    try:
        fd = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:  # noqa: PTH123
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise DataError(f"{path}: {place} is not a file; a template is one")
            content = file.read(LARGEST_TEMPLATE + 1)
    except (FileNotFoundError, IsADirectoryError):
        raise NotFound(f"{path}: there is no template {place}") from None
    except OSError as error:
        raise from_os_error(error, real) from error
    if len(content) > LARGEST_TEMPLATE:
        raise DataError(f"{path}: {place} has more than {LARGEST_TEMPLATE} bytes")
    try:
        return f"{path} (from {place})", content.decode()
    except UnicodeDecodeError:
        raise DataError(f"{path}: {place} is not UTF-8") from None


def sha256(content: bytes) -> str:
    """The SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()
