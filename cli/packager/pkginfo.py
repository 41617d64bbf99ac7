"""pkginfo.json: what a package says of itself, checked when it is added.

The keys are pkgpanda's (DC/OS, docs/package_concepts.md), with pkgpanda's rules for their values.
Keys nobody here knows are kept, and named in a warning.
"""

from __future__ import annotations

import json
import re

from packager.errors import DataError
from packager.ident import NAME_FIRST, NAME_REST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

USERNAME = re.compile(r"dcos_[a-z0-9_]+")
GROUP = re.compile(r"[a-z_][a-z0-9_-]*")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse_pkginfo(content: bytes) -> tuple[dict[str, object], list[str]]:
    """The object in pkginfo.json and warnings about it. Raises DataError."""
    try:
        info = json.loads(content.decode(), object_pairs_hook=_unique, parse_constant=_constant)
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
    return info, warnings


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands there twice")
    return found


def _constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _kind(value: object) -> str:
    words = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return words.get(type(value), "null" if value is None else "a number")


def _requires(value: object) -> str | None:
    if not isinstance(value, list):
        return f"a list is needed, not {_kind(value)}"
    for item in value:
        name = item
        if isinstance(item, dict):
            if "name" not in item or "variant" not in item:
                return "an object in it needs both name and variant"
            name = item["name"]
            if item["variant"] is not None and not isinstance(item["variant"], str):
                return f"a variant is a string or null, not {_kind(item['variant'])}"
        if not isinstance(name, str):
            return f"a package name is a string, not {_kind(name)}"
        if "--" in name:
            return f"{name!r} is a package id; a name is needed"
        if not name or name[0] not in NAME_FIRST or name.strip(NAME_REST):
            return f"{name!r} is not a package name"
    return None


def _environment(value: object) -> str | None:
    if not isinstance(value, dict):
        return f"an object is needed, not {_kind(value)}"
    for key, text in value.items():
        if not VARIABLE.fullmatch(key):
            return f"{key!r} is not the name of a variable"
        if isinstance(text, bool) or not isinstance(text, str | int | float):
            return f"the value of {key} is a string or a number, not {_kind(text)}"
        if isinstance(text, str) and "\0" in text:
            return f"the value of {key} has a NUL in it"
    return None


def _sysctl(value: object) -> str | None:
    if not isinstance(value, dict):
        return f"an object is needed, not {_kind(value)}"
    for service, settings in value.items():
        if not isinstance(settings, dict):
            return f"the settings of {service} are an object, not {_kind(settings)}"
        for name, setting in settings.items():
            if isinstance(setting, bool) or not isinstance(setting, str | int):
                return f"the value of {name} is a string or an integer, not {_kind(setting)}"
            if any(c in f"{name}{setting}" for c in "\0\n"):
                return f"{name!r} has a NUL or a newline in its name or value"
    return None


def _boolean(value: object) -> str | None:
    return None if isinstance(value, bool) else f"true or false is needed, not {_kind(value)}"


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


CHECKS: dict[str, Callable[[object], str | None]] = {
    "requires": _requires,
    "environment": _environment,
    "sysctl": _sysctl,
    "state_directory": _boolean,
    "username": _username,
    "group": _group,
    "variant": _text_or_null,
}
