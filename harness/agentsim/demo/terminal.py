"""How the demonstration looks: numbered steps, commands to copy, answers, in a terminal or a pipe.

Colour and lines that replace each other are for terminals only (NO_COLOR, TERM=dumb and a pipe turn
them off); a command is never cut or filled up, so that it can be copied as it stands.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TextIO

MARGIN = "    "


class Screen:
    """Where the demonstration is written.

    Args:
        stream: a text stream; what it is connected to decides on colour and width.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        terminal = self._stream.isatty()
        self._moves = terminal and os.environ.get("TERM") != "dumb"
        self._colour = self._moves and not os.environ.get("NO_COLOR")
        columns = shutil.get_terminal_size((100, 24)).columns if terminal else 100
        self.width = max(40, min(columns, 120))
        self._steps = 0
        self._replaceable = False
        self._in_answer = False

    def title(self, text: str) -> None:
        """The first line of all."""
        self._line(self._paint("1", text))

    def step(self, title: str) -> None:
        """Begin the next step: an empty line, its number, what it does."""
        self._steps += 1
        self._line()
        self._line(self._paint("1;36", f"{self._steps:2}  {title}"))
        self._in_answer = False

    def say(self, text: str) -> None:
        """A remark, wrapped to the width."""
        self._apart()
        self._wrapped(text, MARGIN, MARGIN)

    def command(self, *pieces: str) -> None:
        """A command line to copy. It is broken between pieces if it is too long for one line."""
        self._apart()
        line = "$ " + " ".join(pieces)
        if len(MARGIN) + len(line) > self.width:
            line = "$ " + f" \\\n{MARGIN}    ".join(pieces)
        self._line(MARGIN + self._paint("1", line))

    def status(self, status: int, reason: str, headers: Sequence[tuple[str, str]]) -> None:
        """The first line of an answer and the headers that matter to it."""
        colour = "32" if status < 400 else "33" if status < 500 else "31"
        shown = "  ".join(f"{name}: {value}" for name, value in headers)
        self._line(f"{MARGIN}{self._paint(f'1;{colour}', f'{status} {reason}')}  {shown}".rstrip())
        self._in_answer = True

    def document(self, document: object) -> None:
        """A JSON document: on one line if it fits, else indented, long texts wrapped below."""
        short = json.dumps(document, ensure_ascii=False)
        if len(MARGIN) + len(short) <= self.width:
            self._line(MARGIN + short)
            return
        for line in json.dumps(document, ensure_ascii=False, indent=2).splitlines():
            indent = " " * (len(line) - len(line.lstrip()) + len(MARGIN))
            self._wrapped(line.strip(), indent, indent + "  ")

    def event(self, seconds: float, name: str, text: str, *, replace: bool = False) -> None:
        """One event of a stream; in a terminal it replaces the one before if both say so."""
        start = f"{MARGIN}{seconds:6.2f} s  {name:<11}  "
        if replace:
            self._line(start + text, replaceable=True)
        else:
            self._wrapped(text, start, " " * len(start))

    def output(self, text: str) -> None:
        """What a program printed."""
        for line in text.splitlines():
            self._line(MARGIN + line)
        self._in_answer = True

    def end(self, text: str) -> None:
        """The last line of all."""
        self._line()
        self._line(text)

    def _apart(self) -> None:
        # An empty line between an answer and the next question, none below a title or a remark.
        if self._in_answer:
            self._line()
        self._in_answer = False

    def _wrapped(self, text: str, first: str, rest: str) -> None:
        lines = textwrap.wrap(
            text,
            self.width,
            initial_indent=first,
            subsequent_indent=rest,
            break_on_hyphens=False,
            break_long_words=False,
        )
        for line in lines or [first.rstrip()]:
            self._line(line)

    def _line(self, text: str = "", *, replaceable: bool = False) -> None:
        if replaceable and self._replaceable and self._moves:
            text = "\x1b[1A\r\x1b[K" + text
        self._replaceable = replaceable and len(text) < self.width
        self._stream.write(text + "\n")
        self._stream.flush()

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


def size(number: int) -> str:
    """A number of bytes for people: `11.2 MB` (powers of ten)."""
    value, unit = float(number), "B"
    for larger in ("kB", "MB", "GB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
