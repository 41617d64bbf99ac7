"""Line ends of templates: those of the text, and those behind tags.

Jinja2 reads lines, whatever ends them; here they end as they did. And where it takes away the
newline behind every tag (`trim_blocks`), here only that of a line goes that has nothing but tags:
`yes{% if a %}!{% endif %}` stays a line of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packager.base.optional_libraries import required_library

with required_library("templates", extra="provisioner"):
    from jinja2.lexer import Lexer, newline_re

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import jinja2
    from jinja2.lexer import Token, TokenStream

    RawTokens = Iterable[tuple[int, str, str]]  # line, kind, text

DATA, STRING, VARIABLE = "data", "string", "variable_begin"
ENDS_OF_TAGS = ("block_end", "comment_end", "raw_end")
KEEPING_ENDS = ("+%}", "+#}")  # the template says itself that the newline stays


class LineEndLexer(Lexer):
    """The environment has to have `trim_blocks` off."""

    def __init__(self, environment: jinja2.Environment) -> None:
        super().__init__(environment)
        self._line_ends: list[str] = []

    def tokenize(
        self,
        source: str,
        name: str | None = None,
        filename: str | None = None,
        state: str | None = None,
    ) -> TokenStream:
        self._line_ends = newline_re.split(source)[1::2] if "\r" in source else []
        return super().tokenize(source, name, filename, state)

    def wrap(
        self, stream: RawTokens, name: str | None = None, filename: str | None = None
    ) -> Iterator[Token]:
        stream = _without_lines_of_tags(stream)
        if self._line_ends:
            stream = self._with_line_ends(stream)
        return super().wrap(stream, name, filename)

    def _with_line_ends(self, stream: RawTokens) -> Iterator[tuple[int, str, str]]:
        for line, kind, text in stream:
            first, *others = text.split("\n")
            ends = self._line_ends[line - 1 :]
            pieces = (end + each for end, each in zip(ends, others, strict=False))
            yield line, kind, first + "".join(pieces) if kind in (DATA, STRING) else text

    def _normalize_newlines(self, value: str) -> str:
        return value


def _without_lines_of_tags(stream: RawTokens) -> Iterator[tuple[int, str, str]]:
    """The tokens without the newlines of lines that have nothing but tags."""
    only_tags = True  # on the line so far
    behind_tag = False
    for line, kind, text in stream:
        if kind == DATA:
            rest = text.rpartition("\n")[2]
            ends_line = behind_tag and only_tags and text.startswith("\n")
            only_tags = not rest.strip() and (only_tags or "\n" in text)
            behind_tag = False
            if ends_line:
                if text != "\n":
                    yield line + 1, kind, text[1:]
                continue
        elif kind == VARIABLE:
            only_tags = behind_tag = False
        elif kind in ENDS_OF_TAGS:
            behind_tag = not text.endswith(KEEPING_ENDS)
            if "\n" in text:  # a tag that has taken the white space behind it away
                only_tags, behind_tag = True, False
        yield line, kind, text
