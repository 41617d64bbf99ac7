"""Holds a document against profile.schema.json, and against what a schema can't say.

No message has a value of the document in it, since any of them might be a secret: what is wrong is
named by its place, and what would be right in the words of the schema's own descriptions.
"""

from __future__ import annotations

import json
import os

from packager.base.errors import ConfigError, DataError
from packager.cli.converters import Malformed, package_or_range
from packager.package.declarations import SERVICES_FILE, UNIT_DIRECTORIES
from packager.package.manifest import EMBEDDED, PKGINFO
from packager.package.package_id import LONGEST, flaw
from packager.repositories import configuration_file

from provisioner.base.optional_libraries import needed
from provisioner.profile.document import Profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from provisioner.profile.document import Document

SCHEMA = os.path.join(os.path.dirname(__file__), "profile.schema.json")  # noqa: PTH118, PTH120
MOST_REASONS = 20  # told at once
LONGEST_PATH = 1024  # bytes
LONGEST_NAME = 255
# What at the top of a package means something to packager itself.
RESERVED = (PKGINFO, EMBEDDED, "buildinfo.full.json", SERVICES_FILE)


def validate(document: Document, place: str) -> Profile:
    """The profile that `document` is; `place` is where it came from, for words.

    Raises DataError with everything that is wrong, ConfigError for a bad repository or if a library
    is missing.
    """
    reasons = list(_against_schema(document))
    if not reasons:
        reasons = list(_flaws(Profile(document)))
    if reasons:
        shown = reasons[:MOST_REASONS]
        if len(reasons) > len(shown):
            shown.append(f"and {len(reasons) - len(shown)} more")
        raise DataError(f"{place}: " + "\n".join(shown))
    profile = Profile(document)
    if profile.repositories is not None:
        try:
            configuration_file.repositories(profile.repositories, place)
        except ConfigError as error:
            raise DataError(str(error)) from None
    return profile


def flaw_of_path(path: str) -> str | None:
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
    if len(path.encode()) > LONGEST_PATH or any(len(p.encode()) > LONGEST_NAME for p in parts):
        return f"it is longer than {LONGEST_PATH} bytes, or a name in it than {LONGEST_NAME}"
    return None


def _against_schema(document: Document) -> Iterator[str]:
    with needed("profiles"):
        import jsonschema
    with open(SCHEMA, "rb") as file:  # noqa: PTH123
        schema = json.loads(file.read())
    validator = jsonschema.Draft202012Validator(schema)
    for error in sorted(validator.iter_errors(document), key=lambda each: _place(each.path)):
        yield from _words(error)


def _words(error: Any) -> Iterator[str]:
    """What a schema's complaint is called here: its place, and what would be right."""
    here = _place(error.path) or "the profile"
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        yield f"{here}: {' and '.join(missing)} must be there"
    elif error.validator == "additionalProperties" and error.validator_value is False:
        known = ", ".join(error.schema["properties"])
        for name in error.instance:
            if name not in error.schema["properties"]:
                yield f"{here}: {_shown(name)} is not known; there are {known}"
    elif "propertyNames" in error.absolute_schema_path:
        yield f"{here}: {_shown(error.instance)}: it should be {error.schema['description']}"
    elif error.validator == "uniqueItems":
        yield f"{here}: something is there twice"
    elif error.validator == "oneOf" and "properties" in error.schema:
        yield f"{here}: it needs one of template, content and from, and only one"
    else:
        yield f"{here}: it should be {error.schema.get('description', 'something else')}"


def _flaws(profile: Profile) -> Iterator[str]:
    if not profile.packages and not profile.files:
        yield "the profile: it has neither packages nor files, so the host would have nothing"
    reason = flaw(f"{profile.config_name}--{'0' * 16}")
    if reason or len(profile.config_name) > LONGEST - 20:
        yield f"name: {reason}"
    for at, word in enumerate(profile.packages):
        try:
            package_or_range(word)
        except Malformed as malformed:
            yield f"packages[{at}]: {malformed}"
            continue
        if _name(word) == profile.config_name:
            yield f"packages[{at}]: {profile.config_name} is made of this profile's configuration"
    yield from _flaws_of_files(profile.files)


def _flaws_of_files(files: Iterable[Document]) -> Iterator[str]:
    paths: dict[str, int] = {}
    for at, each in enumerate(files):
        here = f"configuration.files[{at}]"
        path = each["path"]
        reason = flaw_of_path(path) or _reserved(path)
        if reason:
            yield f"{here}.path: {reason}"
        elif paths.setdefault(path, at) != at:
            yield f"{here}.path: files[{paths[path]}] has the same path, {path}"
        if "from" in each:
            reason = flaw_of_path(each["from"]["path"])
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
    if path in RESERVED or top in RESERVED:
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


def _place(path: Iterable[object]) -> str:
    found = ""
    for each in path:
        found += f"[{each}]" if isinstance(each, int) else f".{_shown(str(each))}"
    return found.removeprefix(".")


def _shown(name: str) -> str:
    return name if len(name) <= 80 and name.isprintable() else ascii(name[:80])
