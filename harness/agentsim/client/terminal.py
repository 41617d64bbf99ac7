"""Answers on a person's screen: documents laid out, events one to a line, words set apart.

What a host sends is not trusted to steer the terminal: control characters are made visible.
Colour is used on a terminal only, and not where NO_COLOR is set (no-color.org).
"""

from __future__ import annotations

import json
import os
import sys

from agentsim.client.exit_status import CommandOutcome
from agentsim.core.status_names import SYSEXITS

_RED, _GREEN, _BOLD, _DIM, _RESET = "\033[31m", "\033[32m", "\033[1m", "\033[2m", "\033[0m"


class Screen:
    """Standard output for data, standard error for words.

    Args:
        raw: bodies are wanted as they are, those of errors too.

    Attributes:
        asked_raw: that argument.
        raw: whether bodies go out as they are: on request, or since no terminal reads them.
    """

    def __init__(self, *, raw: bool) -> None:
        self.asked_raw = raw
        self.raw = raw or not sys.stdout.isatty()
        plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self._colour = sys.stdout.isatty() and not plain
        self._colour_words = sys.stderr.isatty() and not plain
        self._at_line_start = True

    # -- data ---------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Bytes of a body, at once; on a terminal, without what would steer it."""
        if not data:
            return
        if not self.raw:
            data = tame(data.decode("utf-8", "replace"), keep="\n\t").encode()
        self._put(data)

    def _put(self, data: bytes) -> None:
        self._at_line_start = data.endswith(b"\n")
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def document(self, body: bytes) -> None:
        """A JSON document, laid out; as it is if it is none."""
        try:
            text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            self.write(body)
            return
        self._put((tame(text, keep="\n") + "\n").encode())

    def event(self, line: bytes) -> None:
        """A line of a stream; nothing if the stream goes out as it is."""
        if not self.raw:
            self._put((self._event(line) + "\n").encode())

    def _event(self, line: bytes) -> str:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            return tame(line.decode("utf-8", "replace"))
        words = []
        if isinstance(event.get("event"), str):
            words.append(self._paint(_BOLD, tame(f"{event.pop('event'):<12}")))
        for name, value in event.items():
            words.append(f"{self._paint(_DIM, tame(name) + '=')}{_value(value)}")
        return " ".join(words)

    def _paint(self, style: str, text: str) -> str:
        return f"{style}{text}{_RESET}" if self._colour else text

    def finish(self) -> None:
        """End a last line that has no end, if a person reads it."""
        if not self._at_line_start and sys.stdout.isatty():
            sys.stdout.write("\n")
            sys.stdout.flush()

    # -- words --------------------------------------------------------------------------------

    def say(self, text: str, style: str = _RED) -> None:
        """A sentence for a person."""
        text = tame(text, keep="\n")
        if self._colour_words:
            text = f"{style}{text}{_RESET}"
        print(text, file=sys.stderr, flush=True)

    def problem(self, said: CommandOutcome) -> None:
        """An error answer: what went wrong, in its own words, and in the command's."""
        self.say(f"{said.status}: {said.title}" if said.title else f"status {said.status}")
        if said.detail:
            self.say(said.detail, "")
        self._stderr(said.stderr)
        self._request(said)

    def ending(self, end: CommandOutcome) -> None:
        """How the command of a stream ended; silent on success where no person looks."""
        good = end.exit_code == 0 and end.reason in ("", "exit")
        if good and not self.raw:
            self.say(f"exit 0{_seconds(end)}", _GREEN)
        if good:
            return
        if end.signal is not None:
            text = f"ended by {end.signal}"
        else:
            name = f" ({SYSEXITS[end.exit_code]})" if end.exit_code in SYSEXITS else ""
            text = f"exit {end.exit_code}{name}"
        if end.reason not in ("", "exit", "signal"):
            text += f", ended by the host: {end.reason}"
        self.say(text + _seconds(end))
        self._stderr(end.stderr)
        self._request(end)

    def _stderr(self, text: str) -> None:
        for line in text.splitlines():
            self.say(f"  | {line}", "")

    def _request(self, end: CommandOutcome) -> None:
        if end.request_id:
            self.say(f"request {end.request_id}", _DIM)


def tame(text: str, keep: str = "") -> str:
    """Text without what would steer a terminal: such characters become visible escapes.

    Args:
        text: from anybody.
        keep: control characters that may stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)


def _value(value: object) -> str:
    """A member of an event: text bare if that is clear, everything else as JSON."""
    if isinstance(value, str) and value and not set(value) & set(' "=\\') and value.isprintable():
        return value
    return tame(json.dumps(value, ensure_ascii=False))


def _seconds(end: CommandOutcome) -> str:
    return "" if end.seconds is None else f" after {end.seconds:.3f} s"
