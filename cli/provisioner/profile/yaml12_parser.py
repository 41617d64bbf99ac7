"""YAML 1.2 with its core schema (yaml.org/spec/1.2.2, 10.3), from the events of PyYAML's parser.

PyYAML's own loaders follow YAML 1.1, in which `no` is false (and Norway with it), `1:20` is 80 and
`2024-01-01` a date. Here plain words are null (null, ~, nothing), booleans (true, false), numbers,
or text; anything quoted is text. Refused: aliases, which let a few lines grow without bounds; tags,
which ask for objects of somebody's choice; keys that are not text, or are there twice; a second
document.
"""

from __future__ import annotations

import re

from provisioner.base.optional_libraries import needed
from provisioner.profile.parser import DEEPEST, Refused

with needed("profiles in YAML"):
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NO_NUMBER = re.compile(r"[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN")
NULLS = ("", "~", "null", "Null", "NULL")
BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False}
BOOLEANS["FALSE"] = False
LONGEST_NUMBER = 400  # characters


def parse(text: str) -> object:
    """The document in `text`. Raises Refused."""
    loader = getattr(yaml, "CLoader", yaml.Loader)  # libyaml's parser is the faster one
    try:
        return _document(yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        # Quoted in the library's words there may be anything that the document has.
        words = re.sub(r"'[^']*'|\"[^\"]*\"", "…", error.problem or "it can't be read")
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        if "nesting depth" in words:  # libyaml reads ahead, and has a limit of its own
            raise Refused(f"{where}it is nested more than {DEEPEST} levels deep") from None
        raise Refused(f"{where}not YAML: {words}") from None
    except yaml.YAMLError:
        raise Refused("not YAML: it has a character that YAML does not allow") from None


class _Open:
    """A list or an object that has not ended yet; `key` is set while its value is awaited."""

    def __init__(self, value: list[object] | dict[str, object]) -> None:
        self.value = value
        self.key: str | None = None

    def take(self, value: object, line: str) -> None:
        if isinstance(self.value, list):
            self.value.append(value)
        elif self.key is not None:
            self.value[self.key] = value
            self.key = None
        elif not isinstance(value, str):
            raise Refused(f"{line}: a key has to be a text: quote it")
        elif value in self.value:
            raise Refused(f"{line}: the key {value[:80]!r} is there twice in one object")
        else:
            self.key = value


def _document(events: Iterator[yaml.Event]) -> object:
    found: list[object] = []
    top = _Open(found)
    stack = [top]
    documents = 0
    for event in events:
        assert event.start_mark is not None
        line = f"line {event.start_mark.line + 1}"
        if isinstance(event, DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise Refused(f"{line}: a second document begins; a profile is one")
        elif isinstance(event, AliasEvent):
            raise Refused(f"{line}: aliases are not taken: write out what is meant")
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            done = stack.pop()
            stack[-1].take(done.value, line)
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent, ScalarEvent)):
            if event.tag is not None:
                raise Refused(f"{line}: tags (!…) are not taken")
            if isinstance(event, ScalarEvent):
                stack[-1].take(_scalar(event, line), line)
                continue
            if len(stack) > DEEPEST:
                raise Refused(f"{line}: it is nested more than {DEEPEST} levels deep")
            stack.append(_Open({} if isinstance(event, MappingStartEvent) else []))
    return found[0] if found else None


def _scalar(event: ScalarEvent, line: str) -> object:
    text: str = event.value
    if not event.implicit[0]:  # quoted, or a block
        return text
    if text in NULLS:
        return None
    if text in BOOLEANS:
        return BOOLEANS[text]
    if NO_NUMBER.fullmatch(text):
        raise Refused(f"{line}: infinity and NaN are no numbers here")
    if len(text) <= LONGEST_NUMBER:
        if INTEGER.fullmatch(text):
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if FLOAT.fullmatch(text):
            return float(text)
    return text
