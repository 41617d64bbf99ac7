"""A stream of a host's, in pieces as they come: events, and at its end the exit record. Pure.

Only the last line is an exit record; one that a command writes in the middle of its output is an
event like any other. A stream without one was cut, and says nothing of what became of the command.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

MAX_LINE_BYTES = 1 << 20
EXIT = "exit"


@dataclass(frozen=True)
class ExitRecord:
    """How the command ended. exit_code: None if it died of a signal. reason: `exit`, `signal`, or
    why the host ended it. stderr: the end of its words for people."""

    request_id: str
    exit_code: int | None
    reason: str
    stderr: str


class Malformed(ValueError):
    """The stream is not one of a host's."""


class StreamReader:
    """Takes the bytes of a stream; `ended` has the exit record when there will be no more."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._held: dict[str, Any] | None = None  # what looks like an exit record

    def feed(self, piece: bytes) -> list[dict[str, Any]]:
        """The events that are complete with this piece. What looks like an exit record is held back
        until something follows it. Raises Malformed."""
        self._rest += piece
        *lines, rest = self._rest.split(b"\n")
        self._rest = bytearray(rest)
        if len(rest) > MAX_LINE_BYTES:
            raise Malformed(f"a line has more than {MAX_LINE_BYTES} bytes")
        events: list[dict[str, Any]] = []
        for line in lines:
            if self._held is not None:
                events.append(self._held)
                self._held = None
            document = _document(bytes(line))
            if exit_record(document) is None:
                events.append(document)
            else:
                self._held = document
        return events

    @property
    def ended(self) -> ExitRecord | None:
        """The exit record, once all bytes were fed; None: the stream was cut."""
        if self._rest or self._held is None:
            return None
        return exit_record(self._held)


def exit_record(document: dict[str, Any]) -> ExitRecord | None:
    """What the document says as an exit record; None: it is none."""
    if document.get("record") != EXIT or document.get("abi") != 1:
        return None
    code = document.get("exit_code")
    words = [document.get(name) for name in ("request_id", "reason", "stderr")]
    if not all(isinstance(each, str) for each in words):
        return None
    if not (code is None or (isinstance(code, int) and not isinstance(code, bool))):
        return None
    request_id, reason, stderr = map(str, words)
    return ExitRecord(request_id, code, reason, stderr)


def _document(line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise Malformed("a line is not JSON") from None
    if not isinstance(document, dict):
        raise Malformed("a line is no object")
    return document
