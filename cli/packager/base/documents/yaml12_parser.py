"""YAML 1.2 with its core schema (yaml.org/spec/1.2.2, 10.3), from the events of PyYAML's parser.

PyYAML's own loaders follow YAML 1.1, in which `no` is false (and Norway with it), `1:20` is 80 and
`2024-01-01` a date. Here plain words are null (null, ~, nothing), booleans (true, false), numbers,
or text; anything quoted is text. Refused: aliases, which let a few lines grow without bounds; tags,
which ask for objects of somebody's choice; keys that are not text, or are there twice; a second
document.
"""

from __future__ import annotations

import re

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from packager.base.documents.syntax import (
    MAX_DEPTH_LEVELS,
    SyntaxRefused,
    duplicate_key,
    too_deep,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN")
NULLS = ("", "~", "null", "Null", "NULL")
BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False}
BOOLEANS["FALSE"] = False
MAX_NUMBER_CHARACTERS = 400  # characters


def parse(text: str) -> object:
    """The document in `text`. Raises SyntaxRefused."""
    loader = getattr(yaml, "CLoader", yaml.Loader)  # libyaml's parser is the faster one
    try:
        return _document(yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        # Quoted in the library's words there may be anything that the document has.
        words = re.sub(r"'[^']*'|\"[^\"]*\"", "…", error.problem or "it can't be read")
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        if "nesting depth" in words:  # libyaml reads ahead, and has a limit of its own
            raise SyntaxRefused(f"{where}{too_deep()}") from None
        raise SyntaxRefused(f"{where}not YAML: {words}") from None
    except yaml.YAMLError:
        raise SyntaxRefused("not YAML: it has a character that YAML does not allow") from None


class _Collection:
    """A list or an object that has not ended yet; `key` is set until its value comes."""

    def __init__(self, value: list[object] | dict[str, object]) -> None:
        self.value = value
        self.key: str | None = None

    def add(self, value: object, line: str) -> None:
        if isinstance(self.value, list):
            self.value.append(value)
        elif self.key is not None:
            self.value[self.key] = value
            self.key = None
        elif not isinstance(value, str):
            raise SyntaxRefused(f"{line}: a key must be text: quote it")
        elif value in self.value:
            raise SyntaxRefused(f"{line}: {duplicate_key(value)}")
        else:
            self.key = value


def _document(events: Iterator[yaml.Event]) -> object:
    found: list[object] = []
    top = _Collection(found)
    stack = [top]
    documents = 0
    for event in events:
        assert event.start_mark is not None
        line = f"line {event.start_mark.line + 1}"
        if isinstance(event, DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise SyntaxRefused(f"{line}: a second document begins; only one is read")
        elif isinstance(event, AliasEvent):
            raise SyntaxRefused(f"{line}: aliases are refused: write out the value")
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            done = stack.pop()
            stack[-1].add(done.value, line)
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent, ScalarEvent)):
            if event.tag is not None:
                raise SyntaxRefused(f"{line}: tags (!…) are refused")
            if isinstance(event, ScalarEvent):
                stack[-1].add(_scalar(event, line), line)
                continue
            if len(stack) > MAX_DEPTH_LEVELS:
                raise SyntaxRefused(f"{line}: {too_deep()}")
            stack.append(_Collection({} if isinstance(event, MappingStartEvent) else []))
    return found[0] if found else None


def _scalar(event: ScalarEvent, line: str) -> object:
    text: str = event.value
    if not event.implicit[0]:  # quoted, or a block
        return text
    if text in NULLS:
        return None
    if text in BOOLEANS:
        return BOOLEANS[text]
    if NOT_FINITE.fullmatch(text):
        raise SyntaxRefused(f"{line}: infinity and NaN are not numbers of JSON")
    if len(text) <= MAX_NUMBER_CHARACTERS:
        if INTEGER.fullmatch(text):
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if FLOAT.fullmatch(text):
            return float(text)
    return text
