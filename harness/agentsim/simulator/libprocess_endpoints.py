"""What every libprocess answers beside the agent's own routes: help, metrics, logging and so on.

Looked at only for requests that no route takes. Order and words are libprocess's; what its figures
say is this host's.

Source: libprocess `help.cpp`, `metrics.cpp`, `logging.cpp`, `profiler.cpp`, `system.hpp`,
`process.cpp` (`__processes__`), stout `duration.hpp`, `numify.hpp`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable

from agentsim.core.percent_encoding import unescape
from agentsim.simulator.actor_messages import LIBPROCESS_PROCESSES
from agentsim.simulator.agent import Agent
from agentsim.simulator.exchange import ClientConnection, Exchange
from agentsim.simulator.help_pages import as_html, markdown, pages
from agentsim.simulator.metrics import Counters
from agentsim.wire.basic_auth import challenge
from agentsim.wire.request_parser import Request

_READONLY, _READWRITE = "mesos-agent-readonly", "mesos-agent-readwrite"
_UNITS = {
    b"ns": 1e-9,
    b"us": 1e-6,
    b"ms": 1e-3,
    b"secs": 1.0,
    b"mins": 60.0,
    b"hrs": 3600.0,
    b"days": 86400.0,
    b"weeks": 604800.0,
}
_NO_PERFTOOLS = (
    "Perftools is disabled. To enable perftools, configure libprocess with --enable-perftools.\n"
)
#: The snapshot is given twice a second at the most; who asks more often waits.
_SNAPSHOT_INTERVAL = 0.5


class _BadRequest(Exception):
    """A bad request; the text is libprocess's, without its full stop."""


class LibprocessEndpoints:
    """libprocess's own endpoints.

    Args:
        agent: whose.
        counters: what the metrics show beside the machine's own figures.
    """

    def __init__(self, agent: Agent, counters: Counters) -> None:
        self._agent = agent
        self._counters = counters
        self._level = 0
        self._next_snapshot = 0.0
        self._endpoints: dict[bytes, tuple[str | None, Callable[[EndpointExchange], None]]] = {
            b"help/": (None, self._help),
            b"logging/toggle": (_READWRITE, self._toggle),
            b"metrics/snapshot": (_READONLY, self._snapshot),
            b"profiler/start": (_READWRITE, lambda exchange: exchange.bad(_NO_PERFTOOLS)),
            b"profiler/stop": (_READWRITE, lambda exchange: exchange.bad(_NO_PERFTOOLS)),
            b"system/stats.json": (None, self._stats),
            b"__processes__/": (None, self._processes),
        }

    def exchange(self, connection: ClientConnection, request: Request) -> Exchange | None:
        """Who answers a request that no route takes, None if nobody does."""
        path = request.path
        first = path.lstrip(b"/").partition(b"/")[0]
        process = unescape(first.replace(b"+", b" "))
        if process not in LIBPROCESS_PROCESSES or b"/.." in path:
            return None
        name = path.removeprefix(b"/" + first).strip(b"/")
        if process == b"help" and self._has_page(name):
            name = b""
        while (found := self._endpoints.get(process + b"/" + name)) is None:
            name, slash, _ = name.rpartition(b"/")
            if not slash:
                return None
        realm, answer = found
        return EndpointExchange(connection, request, self._agent, realm, answer)

    def _has_page(self, name: bytes) -> bool:
        process = name.partition(b"/")[0].decode("latin-1")
        return process in pages(self._agent.tables)

    # -- help ---------------------------------------------------------------------------------

    def _help(self, exchange: EndpointExchange) -> None:
        request = exchange.request
        _, _, rest = request.path.decode("latin-1").lstrip("/").partition("/")
        process, _, name = rest.lstrip("/").partition("/")
        name = name.lstrip("/")
        found = pages(self._agent.tables)
        if not process and request.query.get(b"format") == b"json":
            exchange.json(
                {
                    "processes": [
                        {"id": p, "endpoints": [{"name": n, "text": t} for n, t in own.items()]}
                        for p, own in found.items()
                    ]
                }
            )
            return
        text = markdown(found, process, name)
        if text is None:
            exchange.bad(f"No help available for '/{process}{'/' if name else ''}{name}'.\n")
        elif request.headers.get(b"user-agent", b"").startswith((b"curl", b"HTTPie")):
            exchange.text(text, "text/x-markdown")
        else:
            exchange.text(as_html(text), "text/html")

    # -- metrics and the machine --------------------------------------------------------------

    def _snapshot(self, exchange: EndpointExchange) -> None:
        timeout = exchange.request.query.get(b"timeout")
        if timeout is not None:
            try:
                _duration(timeout)
            except _BadRequest as bad:
                exchange.bad(f"Invalid timeout '{timeout.decode('latin-1')}': {bad}.\n")
                return
        now = self._agent.loop.time()
        turn = max(now, self._next_snapshot)
        self._next_snapshot = turn + _SNAPSHOT_INTERVAL
        self._agent.loop.call_at(turn, self._answer_snapshot, exchange)

    def _answer_snapshot(self, exchange: EndpointExchange) -> None:
        load = os.getloadavg()
        free, total = _memory()
        values = {
            "system/cpus_total": float(os.cpu_count() or 1),
            "system/load_1min": load[0],
            "system/load_5min": load[1],
            "system/load_15min": load[2],
            "system/mem_free_bytes": float(free),
            "system/mem_total_bytes": float(total),
            **dict(self._counters.snapshot(self._agent)),
        }
        exchange.json(dict(sorted(values.items())), exchange.request.query.get(b"jsonp"))

    def _stats(self, exchange: EndpointExchange) -> None:
        load = os.getloadavg()
        free, total = _memory()
        exchange.json(
            {
                "avg_load_15min": load[2],
                "avg_load_1min": load[0],
                "avg_load_5min": load[1],
                "cpus_total": os.cpu_count() or 1,
                "mem_free_bytes": free,
                "mem_total_bytes": total,
            },
            exchange.request.query.get(b"jsonp"),
        )

    def _processes(self, exchange: EndpointExchange) -> None:
        names = [
            *(p.decode() for p in LIBPROCESS_PROCESSES),
            *(t.process for t in self._agent.tables),
        ]
        exchange.json([{"events": [], "id": name} for name in names])

    # -- logging ------------------------------------------------------------------------------

    def _toggle(self, exchange: EndpointExchange) -> None:
        query = exchange.request.query
        level, duration = query.get(b"level"), query.get(b"duration")
        if level is None and duration is None:
            exchange.text(f"{self._level}\n")
        elif duration is None:
            exchange.bad("Expecting 'duration=value' in query.\n")
        elif level is None:
            exchange.bad("Expecting 'level=value' in query.\n")
        else:
            try:
                number = _number(level)
                if number < 0:
                    raise _BadRequest(f"Invalid level '{number}'")
                seconds = _duration(duration)
            except _BadRequest as bad:
                exchange.bad(f"{bad}.\n")
                return
            self._level = number
            if number:
                self._agent.loop.call_later(seconds, self._revert)
            exchange.answer(200, [("Content-Length", "0")], b"")

    def _revert(self) -> None:
        self._level = 0


class EndpointExchange(Exchange):
    """A request that libprocess itself answers, once its body is complete."""

    __slots__ = ("_agent", "_answer", "_realm")

    def __init__(
        self,
        connection: ClientConnection,
        request: Request,
        agent: Agent,
        realm: str | None,
        answer: Callable[[EndpointExchange], None],
    ) -> None:
        super().__init__(connection, request)
        self._agent = agent
        self._realm = realm
        self._answer = answer

    def on_end(self) -> None:
        if self._realm is not None and not self._agent.admits(self.request.headers):
            self.answer_text(401, "401 Unauthorized.", challenge(self._realm))
        else:
            self._answer(self)

    def text(self, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        """Answer with text."""
        body = text.encode()
        self.answer(200, [("Content-Length", str(len(body))), ("Content-Type", kind)], body)

    def bad(self, text: str) -> None:
        """Answer that the request is bad."""
        self.answer_text(400, text)

    def json(self, value: object, jsonp: bytes | None = None) -> None:
        """Answer with JSON, or with a call of the function `jsonp` on it."""
        body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        kind = "application/json"
        if jsonp is not None:
            body = jsonp + b"(" + body + b")"
            kind = "text/javascript"
        self.answer(200, [("Content-Type", kind), ("Content-Length", str(len(body)))], body)


def _memory() -> tuple[int, int]:
    """Bytes of memory that are free, and of all."""
    page = os.sysconf("SC_PAGE_SIZE")
    return os.sysconf("SC_AVPHYS_PAGES") * page, os.sysconf("SC_PHYS_PAGES") * page


def _number(text: bytes) -> int:
    if not re.fullmatch(rb"-?[0-9]{1,9}", text):
        raise _BadRequest(f"Failed to convert '{text.decode('latin-1')}' to number")
    return int(text)


def _duration(text: bytes) -> float:
    """Seconds in stout's form of a duration: a number and a unit, such as 10secs or 1.5hrs."""
    match = re.match(rb"[0-9.]*", text)
    assert match is not None
    number, unit = match[0], text[match.end() :]
    if not unit:
        raise _BadRequest(f"Invalid duration '{text.decode('latin-1')}'")
    if not re.fullmatch(rb"[0-9]+\.?[0-9]*|\.[0-9]+", number):
        raise _BadRequest(f"Failed to convert '{number.decode()}' to number")
    if unit not in _UNITS:
        raise _BadRequest(f"Unknown duration unit '{unit.decode('latin-1')}'")
    return float(number) * _UNITS[unit]
