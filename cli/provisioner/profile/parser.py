"""From the bytes of a profile to its document: JSON, or YAML 1.2; both read strictly.

What begins with `{` is JSON, everything else YAML. A key that comes twice, a number that is none
(NaN, Infinity), text that is not Unicode, and what is nested too deeply are refused. No message
has anything of the content in it but where it is: any text there may be a secret.
"""

from __future__ import annotations

import json
import math

from packager.base.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from provisioner.profile.model import Document

DEEPEST = 64  # levels


class Refused(Exception):
    """The content can't be meant; the message says why, and maybe where."""


def parse(content: bytes, place: str) -> Document:
    """The document. `place` is where the bytes came from, for words. Raises DataError; ConfigError
    where a library is missing."""
    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: it is not UTF-8 (byte {error.start})") from None
    if not text.strip():
        raise DataError(f"{place}: it is empty; a profile is an object")
    try:
        if text.lstrip(" \t\r\n").startswith("{"):
            document = _json(text)
        else:
            from provisioner.profile import yaml12_parser

            document = yaml12_parser.parse(text)
        _check(document, 1)
    except Refused as reason:
        raise DataError(f"{place}: {reason}") from None
    if not isinstance(document, dict):
        raise DataError(f"{place}: a profile is an object")
    return document


def _json(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Refused(f"{where}: not JSON: {error.msg}") from None
    except RecursionError:
        raise Refused(f"it is nested more than {DEEPEST} levels deep") from None
    except ValueError:  # a number of thousands of digits
        raise Refused("it has a number that is too long") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Refused(f"the key {twice[:80]!r} is there twice in one object")
    return found


def _constant(name: str) -> object:
    raise Refused(f"{name} is not a number of JSON")


def _check(value: object, level: int) -> None:
    """Refuse what neither JSON nor a disk can hold, wherever it is."""
    if level > DEEPEST:
        raise Refused(f"it is nested more than {DEEPEST} levels deep")
    if isinstance(value, dict):
        for key, each in value.items():
            _check(key, level)
            _check(each, level + 1)
    elif isinstance(value, list):
        for each in value:
            _check(each, level + 1)
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Refused("a text in it has half a character (a lone surrogate)") from None
    elif isinstance(value, float) and not math.isfinite(value):
        raise Refused("a number in it is too large")
