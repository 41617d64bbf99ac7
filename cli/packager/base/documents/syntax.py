"""What both syntaxes, JSON and YAML, refuse, and in which words."""

from __future__ import annotations

MAX_DEPTH_LEVELS = 64
MAX_KEY_SHOWN_CHARACTERS = 80


class SyntaxRefused(Exception):
    """The text is not read; the message says why, and where if that is known. It contains nothing
    of the text but keys: anything else may be a secret."""


def too_deep() -> SyntaxRefused:
    """The refusal of a document that is nested too deeply."""
    return SyntaxRefused(f"it is nested more than {MAX_DEPTH_LEVELS} levels deep")


def duplicate_key(key: str) -> SyntaxRefused:
    """The refusal of an object with a key twice."""
    shown = key[:MAX_KEY_SHOWN_CHARACTERS]
    return SyntaxRefused(f"the key {shown!r} is there twice in one object")
