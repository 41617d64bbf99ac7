"""From the bytes of a profile to its document: JSON, or YAML 1.2; both are read strictly.

What begins with `{` is JSON, everything else YAML. A key that comes twice, a number that is none
(NaN, Infinity), text that is not Unicode, and what is nested too deeply are refused. No message
contains anything of the content but keys and places: any text in it may be a secret.
"""

from __future__ import annotations

import math

from packager.base.errors import DataError

from provisioner.profile.syntax import MAX_DEPTH_LEVELS, SyntaxRefused, too_deep

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def parse(content: bytes, place: str) -> dict[str, object]:
    """The document. `place` is where the bytes came from, for messages. Raises DataError;
    ConfigError if a library is missing."""
    try:
        text = content.removeprefix(BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: it is not UTF-8 (byte {error.start})") from None
    if not text.strip():
        raise DataError(f"{place}: it is empty; a profile is an object")
    try:
        document = _parse_text(text)
        _refuse_unrepresentable(document, 1)
    except SyntaxRefused as reason:
        raise DataError(f"{place}: {reason}") from None
    if not isinstance(document, dict):
        raise DataError(f"{place}: a profile is an object")
    return document


def _parse_text(text: str) -> object:
    if text.lstrip(" \t\r\n").startswith("{"):
        from provisioner.profile import json_parser

        return json_parser.parse(text)
    from provisioner.profile import yaml12_parser

    return yaml12_parser.parse(text)


def _refuse_unrepresentable(value: object, level: int) -> None:
    """Raise SyntaxRefused for what neither JSON nor a file can contain, wherever it is."""
    if level > MAX_DEPTH_LEVELS:
        raise too_deep()
    if isinstance(value, dict):
        for key, each in value.items():
            _refuse_unrepresentable(key, level)
            _refuse_unrepresentable(each, level + 1)
    elif isinstance(value, list):
        for each in value:
            _refuse_unrepresentable(each, level + 1)
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise SyntaxRefused("a text in it has half a character (a lone surrogate)") from None
    elif isinstance(value, float) and not math.isfinite(value):
        raise SyntaxRefused("a number in it is too large")
