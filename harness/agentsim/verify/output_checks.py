"""What a command wrote: is it data, is it well formed, are there words for people in it?"""

from __future__ import annotations

import json
import re
from typing import Any

_ESCAPE = re.compile(rb"\x1b[\[\]()#][0-9;?]*[A-Za-z]?")
_CRASHES = (
    b"Traceback (most recent call last)",
    b"\npanic: ",
    b"\ngoroutine ",
    b"Exception in thread",
    b"Segmentation fault",
    b"core dumped",
    b"terminate called after throwing",
    b"thread 'main' panicked",
)
_SHOWN = 80


def terminal_tricks(data: bytes) -> str | None:
    """What in an output is meant for a terminal, None if nothing is."""
    if (match := _ESCAPE.search(data)) is not None:
        return f"an escape sequence ({match[0]!r})"
    if re.search(rb"\r(?!\n)", data):
        return "a carriage return, as of a progress bar"
    if b"\b" in data:
        return "a backspace"
    return None


def crash(stderr: bytes) -> str | None:
    """The word of a crash in what a command wrote to stderr, None if there is none."""
    for text in _CRASHES:
        if text in b"\n" + stderr:
            return text.decode().strip()
    return None


def strict_json(text: bytes) -> Any:
    """The value of a JSON document (RFC 8259: UTF-8, no NaN, no name twice in an object).

    Raises:
        ValueError: it is none; the text says why.
    """
    return json.loads(
        text.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_no_twice
    )


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is twice in one object")
    return found


def bad_lines(data: bytes) -> list[str]:
    """What is wrong with NDJSON: each line that is no JSON object, a last one without its end."""
    problems = []
    *lines, rest = data.split(b"\n")
    if rest:
        problems.append(f"the last line has no end: {printable(rest)}")
        lines.append(rest)
    for number, line in enumerate(lines, 1):
        try:
            if not isinstance(strict_json(line), dict):
                problems.append(f"line {number} is no object: {printable(line)}")
        except ValueError:
            problems.append(f"line {number} is no JSON: {printable(line)}")
    return problems


def words_around(data: bytes) -> str | None:
    """Words before or behind a JSON document in an output that is no document as a whole."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    for match in re.finditer(r"[\[{]", text):
        try:
            _, end = json.JSONDecoder().raw_decode(text, match.start())
        except ValueError:
            continue
        before, behind = text[: match.start()].strip(), text[end:].strip()
        return before or behind or None
    return text.strip() or None


def printable(data: bytes | str) -> str:
    """The beginning of some output, to be quoted in a sentence."""
    text = data if isinstance(data, str) else data.decode("utf-8", "backslashreplace")
    return repr(text[:_SHOWN]) + ("…" if len(text) > _SHOWN else "")
