"""What the page at `/` shows: the commands that run, the last requests, the end of their output."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from agentsim.core.outcome import Outcome
from agentsim.core.status_names import signal_name
from agentsim.simulator.command_exchange import CommandExchange, Output
from agentsim.simulator.exchange import Exchange

#: How many requests are remembered after their end.
MAX_ENDED = 100
#: Bytes of output that are kept of each, counted from its end.
MAX_OUTPUT_BYTES = 16 << 10


class _Entry:
    __slots__ = ("facts", "number", "output", "size", "version")

    def __init__(self, number: int, exchange: CommandExchange) -> None:
        request = exchange.request
        self.number = number
        self.version = 0
        self.size = 0
        self.output = b""
        self.facts: dict[str, Any] = {
            "request_id": exchange.request_id,
            "method": request.method,
            "path": request.path.decode("utf-8", "backslashreplace"),
            "query": {_text(key): _text(value) for key, value in request.query.items()},
            "principal": exchange.principal,
            "started": round(time.time(), 3),
            "running": True,
            "pid": None,
            "status": None,
        }

    def shown(self) -> dict[str, Any]:
        return {
            "number": self.number,
            **self.facts,
            "bytes": self.size,
            "output": _text(self.output),
            "output_cut": self.size > len(self.output),
        }


class RecentActivity:
    """Remembers invocations and requests; an observer of the agent, and its tap.

    Attributes:
        version: grows with every change.
    """

    def __init__(self) -> None:
        self.version = 0
        self._number = 0
        self._open: dict[CommandExchange, _Entry] = {}
        self._closed: deque[_Entry] = deque(maxlen=MAX_ENDED)

    def tap(self, exchange: CommandExchange, output: Output) -> Output:
        """Stand between a command and whoever takes its output."""
        entry = self._enter(exchange)

        def see(data: bytes) -> None:
            output(data)
            entry.size += len(data)
            entry.output = (entry.output + data[-MAX_OUTPUT_BYTES:])[-MAX_OUTPUT_BYTES:]
            self._changed(entry)

        return see

    def invocation(self, exchange: CommandExchange, outcome: Outcome, size: int) -> None:  # noqa: ARG002
        """A command has ended, could not be started, or can't be killed."""
        entry = self._open.get(exchange)
        if entry is None:
            return
        entry.facts |= {
            "running": False,
            "pid": exchange.pid or None,
            "exit_code": outcome.exit_code,
            "signal": None if outcome.signal is None else signal_name(outcome.signal),
            "reason": outcome.reason,
            "detail": outcome.detail or None,
            "seconds": round(outcome.seconds, 3),
            "stderr": _text(outcome.stderr),
        }
        self._changed(entry)
        if "client_gone" in entry.facts:
            self._close(exchange)  # its request was told of before

    def late_exit(self, exchange: CommandExchange) -> None:
        """A command that could not be killed has ended by itself; it is long shown as it was."""

    def request(self, exchange: Exchange, gone: bool) -> None:
        """An answer was sent, or its client went away before."""
        if not isinstance(exchange, CommandExchange):
            return
        entry = self._open.get(exchange) or self._enter(exchange)
        entry.facts |= {"status": exchange.status or None, "client_gone": gone}
        self._changed(entry)
        if not exchange.pid:
            entry.facts["running"] = False
        if not entry.facts["running"]:
            self._close(exchange)

    def since(self, version: int) -> Iterator[dict[str, Any]]:
        """What has changed since a version, the oldest first."""
        for entry in sorted((*self._open.values(), *self._closed), key=lambda e: e.number):
            if entry.version > version:
                yield entry.shown()

    def _enter(self, exchange: CommandExchange) -> _Entry:
        self._number += 1
        entry = self._open[exchange] = _Entry(self._number, exchange)
        self._changed(entry)
        return entry

    def _close(self, exchange: CommandExchange) -> None:
        self._closed.append(self._open.pop(exchange))

    def _changed(self, entry: _Entry) -> None:
        self.version += 1
        entry.version = self.version


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
