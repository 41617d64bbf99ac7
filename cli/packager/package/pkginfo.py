"""pkginfo.json: what a package says of itself, checked when it is added.

Most keys are pkgpanda's (DC/OS, docs/package_concepts.md), with pkgpanda's rules for their values.
Those that pkgpanda does not know are optional: `version` in what is required, `conflicts`,
`provides`, `replaces`, `owners`, `description`, `licence`, `size`. Keys nobody here knows are kept,
and named in a warning.
"""

from __future__ import annotations

import json
import re

from packager.base import strict_json
from packager.base.errors import DataError
from packager.package.package_id import NAME_FIRST, NAME_REST, VERSION
from packager.package.versions import parse_range

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

USERNAME = re.compile(r"dcos_[a-z0-9_]+")
OWNER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")  # useradd(8); no number, which means no name
GROUP = re.compile(r"[a-z_][a-z0-9_-]*")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SETTING = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.*/@:-]*")  # sysctl.d(5); never read as an option
RESERVED_VARIABLES = ("LD_LIBRARY_PATH", "PATH")  # they lead to the active set, of every package


def parse_pkginfo(content: bytes) -> tuple[dict[str, object], list[str]]:
    """The object in pkginfo.json and warnings about it. Raises DataError."""
    try:
        info = strict_json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise DataError(f"pkginfo.json: {error}") from error
    if not isinstance(info, dict):
        raise DataError(f"pkginfo.json: an object is needed, not {_kind(info)}")
    warnings = []
    for key, value in info.items():
        check = CHECKS.get(key)
        if check is None:
            warnings.append(f"pkginfo.json: the key {key!r} is not known; it is kept")
            continue
        reason = check(value)
        if reason:
            raise DataError(f"pkginfo.json: {key}: {reason}")
    if info.get("group") is not None and info.get("username") is None:
        raise DataError("pkginfo.json: group: it needs a username too")
    try:
        json.dumps(info, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise DataError("pkginfo.json: an unpaired surrogate is not valid text") from None
    return info, warnings


def _kind(value: object) -> str:
    words = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return words.get(type(value), "null" if value is None else "a number")


def _requires(value: object) -> str | None:
    return _list_of(value, _requirement)


def _relations(value: object) -> str | None:
    return _list_of(value, _relation)


def _provides(value: object) -> str | None:
    return _list_of(value, _provided)


def _list_of(value: object, check: Callable[[object], str | None]) -> str | None:
    if not isinstance(value, list):
        return f"a list is needed, not {_kind(value)}"
    return next((reason for item in value if (reason := check(item))), None)


def _requirement(item: object) -> str | None:
    """pkgpanda's: a name, or an object with name and variant; ours may have a version as well."""
    if isinstance(item, dict):
        if "name" not in item or not {"variant", "version"} & set(item):
            return "an object in it needs a name and a variant or a version"
        variant = item.get("variant")
        if variant is not None and not isinstance(variant, str):
            return f"a variant is a string or null, not {_kind(variant)}"
        item = {key: value for key, value in item.items() if key != "variant"}
    return _relation(item)


def _relation(item: object) -> str | None:
    """A name, or an object with a name and a range of versions."""
    return _named(item, _range)


def _provided(item: object) -> str | None:
    """A name, or an object with a name and the one version of it that is provided."""
    return _named(item, _version)


def _named(item: object, check_version: Callable[[object], str | None]) -> str | None:
    if not isinstance(item, dict):
        return _name(item)
    reason = _name(item.get("name"))
    if reason:
        return reason
    unknown = sorted(set(item) - {"name", "version"})
    if unknown:
        return f"an object in it has the key {unknown[0]!r}, which is not known"
    return check_version(item["version"]) if "version" in item else None


def _name(name: object) -> str | None:
    if not isinstance(name, str):
        return f"a package name is a string, not {_kind(name)}"
    if "--" in name:
        return f"{name!r} is a package id; a name is needed"
    if not name or name[0] not in NAME_FIRST or name.strip(NAME_REST):
        return f"{name!r} is not a package name"
    return None


def _range(value: object) -> str | None:
    if not isinstance(value, str):
        return f"a range of versions is a string, not {_kind(value)}"
    try:
        parse_range(value)
    except ValueError as reason:
        return str(reason)
    return None


def _version(value: object) -> str | None:
    if not isinstance(value, str):
        return f"a version is a string, not {_kind(value)}"
    return None if value and not value.strip(VERSION) else f"{value!r} is not a version"


def _environment(value: object) -> str | None:
    if not isinstance(value, dict):
        return f"an object is needed, not {_kind(value)}"
    for key, text in value.items():
        if not VARIABLE.fullmatch(key):
            return f"{key!r} is not the name of a variable"
        if key in RESERVED_VARIABLES:
            return f"{key} is reserved: it leads to the active set"
        if isinstance(text, bool) or not isinstance(text, str | int | float):
            return f"the value of {key} is a string or a number, not {_kind(text)}"
        if isinstance(text, str) and any(map(_unsafe, text)):
            return f"the value of {key} has a character in it that systemd does not take"
    return None


def _unsafe(character: str) -> bool:
    """NUL, the byte order mark, Unicode's noncharacters and halves of surrogate pairs: systemd
    drops an assignment with one of them (systemd.exec(5), EnvironmentFile=)."""
    code = ord(character)
    return (
        code in (0, 0xFEFF)
        or code & 0xFFFE == 0xFFFE
        or 0xFDD0 <= code <= 0xFDEF
        or 0xD800 <= code <= 0xDFFF
    )


def _sysctl(value: object) -> str | None:
    if not isinstance(value, dict):
        return f"an object is needed, not {_kind(value)}"
    for service, settings in value.items():
        if not isinstance(settings, dict):
            return f"the settings of {service} are an object, not {_kind(settings)}"
        for name, setting in settings.items():
            if not SETTING.fullmatch(name) or ".." in name:
                return f"{name!r} is not the name of a kernel setting"
            if isinstance(setting, bool) or not isinstance(setting, str | int):
                return f"the value of {name} is a string or an integer, not {_kind(setting)}"
            if isinstance(setting, str) and any(c in setting for c in "\0\n"):
                return f"the value of {name} has a NUL or a newline in it"
    return None


def _boolean(value: object) -> str | None:
    return None if isinstance(value, bool) else f"true or false is needed, not {_kind(value)}"


def _text(value: object) -> str | None:
    return None if isinstance(value, str) else f"a string is needed, not {_kind(value)}"


def _size(value: object) -> str | None:
    if type(value) is int and value >= 0:
        return None
    return f"a number of bytes is needed, not {value if type(value) is int else _kind(value)}"


def _text_or_null(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return None
    return f"a string or null is needed, not {_kind(value)}"


def _username(value: object) -> str | None:
    if value is None or (isinstance(value, str) and USERNAME.fullmatch(value)):
        return None
    return "a name is needed that begins with 'dcos_' and goes on with a-z 0-9 _"


def _group(value: object) -> str | None:
    if value is None or (isinstance(value, str) and GROUP.fullmatch(value)):
        return None
    return "a name is needed of a-z 0-9 _ - that begins with a letter or _"


def _owners(value: object) -> str | None:
    if not isinstance(value, dict):
        return f"an object is needed, not {_kind(value)}"
    for path, owner in value.items():
        if path.startswith("/") or not {"", ".", ".."}.isdisjoint(path.split("/")) or "\0" in path:
            return f"{path!r} is not the path of a file in the package"
        if not isinstance(owner, dict) or not owner or owner.keys() - {"user", "group"}:
            return f"{path}: an object with user or group, or both, is needed"
        for name in owner.values():
            if not isinstance(name, str) or not OWNER.fullmatch(name):
                return f"{path}: the name of a user or a group is needed"
    return None


CHECKS: dict[str, Callable[[object], str | None]] = {
    "requires": _requires,
    "environment": _environment,
    "sysctl": _sysctl,
    "state_directory": _boolean,
    "username": _username,
    "group": _group,
    "owners": _owners,
    "variant": _text_or_null,
    "conflicts": _relations,
    "provides": _provides,
    "replaces": _relations,
    "description": _text,
    "licence": _text,
    "size": _size,
}
