"""What the simulated agent says while it works: a line a request, a line an invocation."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from agentsim.core.outcome import Outcome
from agentsim.core.status_names import signal_name
from agentsim.simulator.command_exchange import CommandExchange
from agentsim.simulator.exchange import Exchange


class Log:
    """The log of one host.

    Args:
        write: takes whole lines; must not wait (log_output.py).
        as_json: one JSON object a line instead of text for people.
    """

    def __init__(self, write: Callable[[bytes], None], *, as_json: bool = False) -> None:
        self._write_lines = write
        self._as_json = as_json
        self._said: dict[str, float] = {}

    def say(self, text: str) -> None:
        """A sentence about the host itself."""
        self._write_lines(sentence(text, as_json=self._as_json))

    def say_once(self, text: str) -> None:
        """A sentence that may come very often: said once a second at the most."""
        now = time.monotonic()
        if now - self._said.get(text, -1.0) >= 1.0:
            self._said[text] = now
            self.say(text)

    def request(self, exchange: Exchange, gone: bool) -> None:
        """A request's answer was sent, or its client went away before."""
        request = exchange.request
        seconds = time.monotonic() - exchange.arrived
        path = request.path.decode("utf-8", "backslashreplace")
        status = f"{exchange.status or '---'}{' client gone' if gone else ''}"
        self._write(
            {
                "event": "request",
                "method": request.method,
                "path": path,
                "status": exchange.status or None,
                "bytes": exchange.bytes_sent,
                "seconds": round(seconds, 6),
                "client_gone": gone,
                "request_id": getattr(exchange, "request_id", None),
            },
            f"{request.method} {path} {status} {_size(exchange.bytes_sent)} {seconds:.3f} s",
        )

    def invocation(self, exchange: CommandExchange, outcome: Outcome, size: int) -> None:
        """A command has ended, could not be started, or can't be killed; it has written `size`
        bytes."""
        stderr = outcome.stderr.decode("utf-8", "replace")
        killed_by = None if outcome.signal is None else signal_name(outcome.signal)
        if not outcome.started:
            end = f"not started: {outcome.detail}"
        elif outcome.runs_on:
            end = f"can't be killed and is left alone: {outcome.detail}"
        else:
            end = killed_by or f"exit {outcome.exit_code}"
        if outcome.reason not in ("exit", "signal", "start-failed", "exhausted"):
            end += f" ({outcome.reason})"
        lines = [f"  {exchange.route.process}{exchange.route.path} pid {exchange.pid} {end}"]
        lines[0] += f" {outcome.seconds:.3f} s request {exchange.request_id}"
        lines += [f"  | {line}" for line in stderr.splitlines()]
        self._write(
            {
                "event": "invocation",
                "route": exchange.route.process + exchange.route.path,
                "pid": exchange.pid,
                "exit_code": outcome.exit_code,
                "signal": killed_by,
                "reason": outcome.reason,
                "detail": outcome.detail or None,
                "seconds": round(outcome.seconds, 6),
                "output": size,
                "stderr": stderr,
                "request_id": exchange.request_id,
                "principal": exchange.principal,
            },
            "\n".join(lines),
        )

    def late_exit(self, exchange: CommandExchange) -> None:
        """A command that could not be killed has ended by itself."""
        place = f"{exchange.route.process}{exchange.route.path} request {exchange.request_id}"
        self.say(f"{place}: pid {exchange.pid}, which could not be killed, has ended")

    def _write(self, event: dict[str, object], text: str) -> None:
        self._write_lines(_entry(event, text, as_json=self._as_json))


def sentence(text: str, *, as_json: bool) -> bytes:
    """A sentence about the host itself, as the log has it."""
    return _entry({"event": "host", "text": text}, text, as_json=as_json)


def _entry(event: dict[str, object], text: str, *, as_json: bool) -> bytes:
    now = time.time()
    if as_json:
        line = json.dumps({"time": round(now, 3), **event}, ensure_ascii=False)
    else:
        line = f"{time.strftime('%H:%M:%S', time.localtime(now))} {_tame(text)}"
    return f"{line}\n".encode("utf-8", "backslashreplace")


def _tame(text: str) -> str:
    """Control characters made visible: what others wrote must not steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def _size(number: int) -> str:
    value = float(number)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
