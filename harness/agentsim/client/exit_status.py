"""What an answer says of its command, and the exit status that a caller makes of it.

The reading side of `core/answer.py` and `core/exit_record.py`: pure, and lenient towards answers of
agents that know nothing of the ABI.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

NO_RECORD: Final = "the stream was cut: its exit record never came, so what it told may not be all"

_BY_STATUS: Final[Mapping[int, int]] = {
    400: os.EX_USAGE,
    401: os.EX_NOPERM,
    403: os.EX_NOPERM,
    404: os.EX_NOINPUT,
    405: os.EX_USAGE,
    407: os.EX_NOPERM,
    408: os.EX_TEMPFAIL,
    409: os.EX_CANTCREAT,
    410: os.EX_NOINPUT,
    413: os.EX_DATAERR,
    414: os.EX_USAGE,
    415: os.EX_DATAERR,
    429: os.EX_TEMPFAIL,
    502: os.EX_PROTOCOL,
    503: os.EX_TEMPFAIL,
    504: os.EX_TEMPFAIL,
}
# A command that the host ended, and that then exited with 0, has not succeeded for that.
_BY_REASON: Final[Mapping[str, int]] = {
    "timeout": os.EX_TEMPFAIL,
    "idle-timeout": os.EX_TEMPFAIL,
    "shutdown": os.EX_TEMPFAIL,
    "spool-full": os.EX_TEMPFAIL,
    "client-gone": os.EX_TEMPFAIL,
    "output-limit": os.EX_SOFTWARE,
}


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """How a command ended, or why there was none.

    Attributes:
        status: the HTTP status; 200 for an exit record.
        reason: the ABI's reason, empty if the answer gives none.
        title, detail: sentences for people, may be empty.
        exit_code: of the command, if it exited.
        signal: its name, such as SIGTERM, if one ended the command.
        seconds: how long the command ran, if it did.
        stderr: the last that it wrote there.
        request_id: empty if the answer gives none.
    """

    status: int
    reason: str = ""
    title: str = ""
    detail: str = ""
    exit_code: int | None = None
    signal: str | None = None
    seconds: float | None = None
    stderr: str = ""
    request_id: str = ""


def problem(body: bytes) -> CommandOutcome | None:
    """The problem (RFC 9457) in an answer's body, None if there is none."""
    members = _object(body)
    if members is None or not isinstance(members.get("status"), int):
        return None
    _, _, reason = _text(members, "type").rpartition(":")
    return _read(members, reason, _integer(members, "status") or 0)


def is_record(line: bytes) -> bool:
    """Whether a line could be the exit record; it is one only as the last of a whole stream."""
    if not line.startswith(b'{"abi":1,"record":"exit",'):
        return False
    return _object(line) is not None


def ending(record: bytes) -> CommandOutcome:
    """What an exit record says; `record` is a line that `is_record` took for one."""
    members = _object(record) or {}
    return _read(members, _text(members, "reason"), 200)


def exit_status(end: CommandOutcome) -> int:
    """What a caller exits with: the command's own status, 128 + n for signal n, or of sysexits.h.

    Never 0 for a command that the host ended, for an error answer or for a redirect.
    """
    if end.signal is not None:
        try:
            return 128 + signal.Signals[end.signal].value
        except KeyError:
            digits = end.signal.removeprefix("SIG")
            return 128 + int(digits) if digits.isdigit() and int(digits) < 65 else os.EX_SOFTWARE
    if end.exit_code:
        return end.exit_code & 0xFF or os.EX_SOFTWARE
    if end.status < 300 and end.exit_code == 0 and end.reason in ("", "exit"):
        return 0
    if end.status < 200 or 300 <= end.status < 400:
        return os.EX_PROTOCOL  # no host of routes answers so
    return _BY_REASON.get(end.reason) or _BY_STATUS.get(end.status, os.EX_SOFTWARE)


def _read(members: Mapping[str, object], reason: str, status: int) -> CommandOutcome:
    seconds = members.get("seconds")
    return CommandOutcome(
        status=status,
        reason=reason,
        title=_text(members, "title"),
        detail=_text(members, "detail"),
        exit_code=_integer(members, "exit_code"),
        signal=_text(members, "signal") or None,
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        stderr=_text(members, "stderr"),
        request_id=_text(members, "request_id"),
    )


def _object(text: bytes) -> dict[str, object] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _text(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""


def _integer(members: Mapping[str, object], name: str) -> int | None:
    value = members.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
