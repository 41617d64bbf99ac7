"""From the bytes that a person wrote to their document: JSON, or YAML 1.2; both are read strictly.

What begins with `{` is JSON, everything else YAML. A key that comes twice, a number that is none
(NaN, Infinity), text that is not Unicode, and what is nested too deeply are refused. No message
contains anything of the content but keys and places: any text in it may be a secret.
"""

from __future__ import annotations

import math

from packager.base.documents.syntax import MAX_DEPTH_LEVELS, SyntaxRefused, too_deep
from packager.base.errors import DataError
from packager.base.optional_libraries import required_library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.base.documents.kind import DocumentKind

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def parse(content: bytes, place: str, kind: DocumentKind) -> dict[str, object]:
    """The document. `place` is where the bytes came from, for messages. Raises DataError;
    ConfigError if a library is missing."""
    try:
        text = content.removeprefix(BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: it is not UTF-8 (byte {error.start})") from None
    if not text.strip():
        raise DataError(f"{place}: it is empty; a {kind.noun} is an object")
    try:
        document = _parse_text(text, kind)
        _refuse_unrepresentable(document, 1)
    except SyntaxRefused as reason:
        raise DataError(f"{place}: {reason}") from None
    if not isinstance(document, dict):
        raise DataError(f"{place}: a {kind.noun} is an object")
    return document


def _parse_text(text: str, kind: DocumentKind) -> object:
    if text.lstrip(" \t\r\n").startswith("{"):
        from packager.base.documents import json_parser

        return json_parser.parse(text)
    with required_library(f"{kind.plural} in YAML", extra=kind.extra):
        from packager.base.documents import yaml12_parser

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
