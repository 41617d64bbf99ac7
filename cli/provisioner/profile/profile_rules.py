"""The rules for profiles that a schema can't express. Pure."""

from __future__ import annotations

from packager.api import (
    EMBEDDED,
    LONGEST_NAME,
    PKGINFO,
    SERVICES_FILE,
    UNIT_DIRECTORIES,
    flaw_of_id,
)
from packager.cli.converters import Malformed, package_or_range

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from provisioner.profile.documents import FileDocument
    from provisioner.profile.model import Profile

MAX_PATH_BYTES = 1024
MAX_NAME_BYTES = 255
# What at the top of a package means something to packager itself.
RESERVED_PATHS = (PKGINFO, EMBEDDED, "buildinfo.full.json", SERVICES_FILE)


def broken_rules(profile: Profile) -> Iterator[str]:
    """What is wrong with a profile that fits the schema, each with its place."""
    if not profile.packages and not profile.files:
        yield "the profile: it has neither packages nor files, so the host would have nothing"
    reason = flaw_of_id(f"{profile.config_name}--{'0' * 16}")
    if reason or len(profile.config_name) > LONGEST_NAME - 20:
        yield f"name: {reason}"
    for at, word in enumerate(profile.packages):
        try:
            package_or_range(word)
        except Malformed as malformed:
            yield f"packages[{at}]: {malformed}"
            continue
        if _name(word) == profile.config_name:
            yield f"packages[{at}]: {profile.config_name} is made of this profile's configuration"
    yield from _broken_file_rules(profile.files)


def _broken_file_rules(files: Iterable[FileDocument]) -> Iterator[str]:
    paths: dict[str, int] = {}
    for at, each in enumerate(files):
        here = f"configuration.files[{at}]"
        path = each["path"]
        reason = _path_flaw(path) or _reserved(path)
        if reason:
            yield f"{here}.path: {reason}"
        elif paths.setdefault(path, at) != at:
            yield f"{here}.path: files[{paths[path]}] has the same path, {path}"
        if "from" in each:
            reason = _path_flaw(each["from"]["path"])
            if reason:
                yield f"{here}.from.path: {reason}"
        if "mode" in each and int(each["mode"], 8) & ~0o755:
            yield f"{here}.mode: only the owner may write: 0644, 0600, 0755 and so on"
        if "mode" in each and int(each["mode"], 8) & 0o600 != 0o600:
            yield f"{here}.mode: the owner must be able to read and write it, such as 0600"
    for path, at in paths.items():
        parent = path.rpartition("/")[0]
        while parent:
            if parent in paths:
                yield (
                    f"configuration.files[{at}].path: {path} lies below {parent}, "
                    f"which is a file (files[{paths[parent]}])"
                )
            parent = parent.rpartition("/")[0]


def _reserved(path: str) -> str | None:
    top = path.split("/", maxsplit=1)[0]
    if path in RESERVED_PATHS or top in RESERVED_PATHS:
        return f"{path} is packager's own"
    if any(top == each or top.startswith(f"{each}_") for each in UNIT_DIRECTORIES):
        return (
            "units come from packages: let the unit read a file of this configuration, with "
            "EnvironmentFile=, and name the unit in restart"
        )
    return None


def _name(word: str) -> str:
    end = next((at for at, each in enumerate(word) if each in "<>=!"), len(word))
    return word[:end].strip().partition("--")[0]


def _path_flaw(path: str) -> str | None:
    """Why a file of a package can't have this path, or None."""
    if path.startswith("/"):
        return "it is absolute; paths are below the package"
    parts = path.split("/")
    if ".." in parts or "." in parts:
        return "it has . or .. in it"
    if "" in parts:
        return "it is empty, has an empty part, or ends with /"
    if any(character < " " or character == "\x7f" for character in path):
        return "it has a control character in it"
    if len(path.encode()) > MAX_PATH_BYTES or any(len(p.encode()) > MAX_NAME_BYTES for p in parts):
        return f"it is longer than {MAX_PATH_BYTES} bytes, or a name in it than {MAX_NAME_BYTES}"
    return None
