"""Messages between actors, as libprocess's peers send them: accepted, and dropped."""

from __future__ import annotations

from collections.abc import Container

from agentsim.core.percent_encoding import unescape
from agentsim.simulator.exchange import ClientConnection, Exchange
from agentsim.wire.request_parser import Request

#: Processes of libprocess itself that take messages.
LIBPROCESS_PROCESSES = frozenset(
    (b"help", b"logging", b"metrics", b"profiler", b"system", b"__processes__")
)


def is_message(request: Request) -> bool:
    """Whether libprocess takes a request for a message, whatever its path."""
    return request.method == "POST" and (
        b"libprocess-from" in request.headers
        or request.headers.get(b"user-agent", b"").startswith(b"libprocess/")
    )


class MessageExchange(Exchange):
    """A message.

    Args:
        processes: the ids of the processes that tables serve.
    """

    __slots__ = ("_processes",)

    def __init__(
        self, connection: ClientConnection, request: Request, processes: Container[bytes]
    ) -> None:
        super().__init__(connection, request)
        self._processes = processes

    def on_end(self) -> None:
        encoded = self.request.path[1:].partition(b"/")[0]
        process = unescape(encoded.replace(b"+", b" "))
        if process is None:
            escape = encoded[encoded.index(b"%") :][:3].decode("latin-1")
            text = encoded.decode("latin-1")
            self.answer_text(
                500, f"Failed to decode URL path: Malformed % escape in '{text}': '{escape}'"
            )
        elif process in LIBPROCESS_PROCESSES or process in self._processes:
            self.answer(202, [("Content-Length", "0")], b"")
        else:
            self.answer_text(404, "404 Not Found.")
