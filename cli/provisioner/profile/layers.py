"""How a profile is laid over those that it includes. Pure.

Objects are merged key by key. In the lists of ENTRY_KEYS, entries that mean the same thing are
replaced in their place, others are added. Everything else of the upper layer replaces that of the
lower one: also lists among the values for templates.
"""

from __future__ import annotations

import json

from packager.base.cast import cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

Place = tuple[str, ...]

INCLUDE = "include"


def lay_over(lower: dict[str, object], upper: dict[str, object]) -> dict[str, object]:
    """The document of `upper` over `lower`; neither includes anything any more."""
    return cast("dict[str, object]", _merged(lower, upper, ()))


def _merged(lower: object, upper: object, place: Place) -> object:
    if isinstance(lower, dict) and isinstance(upper, dict):
        result = dict(lower)
        for key, value in upper.items():
            result[key] = _merged(lower[key], value, (*place, key)) if key in lower else value
        return result
    entry_key = ENTRY_KEYS.get(place)
    if entry_key is not None and isinstance(lower, list) and isinstance(upper, list):
        entries = {entry_key(each): each for each in lower}
        entries.update((entry_key(each), each) for each in upper)
        return list(entries.values())
    return upper


def _name_of_package(word: object) -> str:
    """The name in an id, or in a name with a range: there is one version of a package."""
    text = str(word)
    end = next((at for at, each in enumerate(text) if each in "<>=!"), len(text))
    return text[:end].strip().partition("--")[0]


def _field(name: str) -> Callable[[object], str]:
    def key(entry: object) -> str:
        if isinstance(entry, dict) and name in entry:
            return str(entry[name])
        return json.dumps(entry, sort_keys=True)  # it is refused later, with its place

    return key


ENTRY_KEYS: dict[Place, Callable[[object], str]] = {
    ("packages",): _name_of_package,
    ("roles",): str,
    ("repositories",): _field("name"),
    ("configuration", "files"): _field("path"),
    ("health", "units"): str,
    ("health", "http"): _field("url"),
}
