"""The rendered configuration as a package of its own.

The package is called `<profile>-config--<digest of its content>`: the same content is the same
package, and the store keeps, verifies, activates and rolls it back like every other one.
"""

from __future__ import annotations

from packager.api import (
    END_OF_ARCHIVE,
    FILE,
    PKGINFO,
    Entry,
    Manifest,
    compact_json,
    tar_header,
    tar_padding,
)
from packager.base.digest import sha256

from provisioner.base import keyed_digest
from provisioner.desired.configuration import Configuration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from provisioner.desired.configuration import ConfigurationFile
    from provisioner.profile.model import Profile

PKGINFO_MODE, DIRECTORY_MODE = 0o644, 0o755
ID_DIGEST_DIGITS = 16


def pack_configuration(
    profile: Profile,
    files: Sequence[ConfigurationFile],
    unknown: Sequence[str],
    facts: Mapping[str, object],
    key: bytes,
) -> Configuration:
    """The configuration with these files, and the archive of its package. key: of keyed digests,
    for the id of one that contains secrets. Pure."""
    if not files:
        return Configuration(None, [], b"", unknown, facts)
    pieces = []
    for path, content, mode in _members(profile, files):
        header = tar_header(path, FILE, mode=mode, size=len(content), target="", mtime=0)
        pieces += [header, content, tar_padding(len(content))]
    archive = b"".join([*pieces, END_OF_ARCHIVE])
    secret = any(each.secret for each in files)
    digest = keyed_digest.of_bytes(key, archive) if secret else sha256(archive)
    package_id = f"{profile.config_name}--{digest[:ID_DIGEST_DIGITS]}"
    return Configuration(package_id, files, archive, unknown, facts)


def configuration_manifest(configuration: Configuration, profile: Profile) -> Manifest:
    """The manifest that the store will have of the package. Pure."""
    files = [
        Entry(path, FILE, mode=mode, size=len(content), sha256=sha256(content))
        for path, content, mode in _members(profile, configuration.files)
    ]
    directories = set()
    for entry in files:
        parent = entry.path.rpartition("/")[0]
        while parent:
            directories.add(parent)
            parent = parent.rpartition("/")[0]
    return Manifest(
        [*files, *(Entry(path, "directory", mode=DIRECTORY_MODE) for path in directories)]
    )


def configuration_owners(files: Iterable[ConfigurationFile]) -> dict[str, dict[str, str]]:
    """Whom the files of the package are given to, as its pkginfo.json has it. Pure."""
    return {each.path: each.owners for each in files if each.owners}


def _members(profile: Profile, files: Sequence[ConfigurationFile]) -> list[tuple[str, bytes, int]]:
    """Path, content and mode of all files of the package."""
    description = f"The configuration of the profile {profile.name}, made by provisioner."
    owners = configuration_owners(files)
    declared = {"owners": owners} if owners else {}
    pkginfo = compact_json({"description": description, **declared}) + b"\n"
    own = [(each.path, each.content, each.mode) for each in files]
    return sorted([*own, (PKGINFO, pkginfo, PKGINFO_MODE)])
