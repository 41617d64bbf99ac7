"""A simulated agent as a member of a cluster: drives its membership with clock and connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from agentsim.mesos.actor_message import Pid, name_of, sender_of
from agentsim.mesos.membership import Membership, Phase, Send
from agentsim.simulator.exchange import ClientConnection, Exchange
from agentsim.simulator.mailer import Mailer
from agentsim.wire.request_parser import Request

#: Messages that are larger are answered and dropped.
_MAX_MESSAGE_BYTES: Final = 16 << 20


class Member:
    """A member of a cluster.

    Args:
        loop: the event loop.
        membership: what it decides by.
        mailer: what its messages go by.
        changed: told when its phase has changed, and when the master ignores it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        membership: Membership,
        mailer: Mailer,
        changed: Callable[[Member], None],
    ) -> None:
        self.membership = membership
        self._loop = loop
        self._mailer = mailer
        self._changed = changed
        self._timer: asyncio.TimerHandle | None = None
        self._phase = membership.phase
        self._ignored = membership.ignored

    def leader(self, master: Pid | None) -> None:
        """Another master leads, or nobody knows which does."""
        self.membership.leader(master, self._loop.time())
        self._act(())

    def disconnected(self) -> None:
        """The connection to the master has broken."""
        self.membership.disconnected(self._loop.time())
        self._act(())

    def receive(self, name: str, sender: Pid | None, body: bytes) -> None:
        """A message has come."""
        self._act(self.membership.receive(name, sender, body, self._loop.time()))

    def leave(self) -> None:
        """End in good order."""
        self._act(self.membership.leave())

    def restart(self, master: Pid | None) -> None:
        """Begin anew, as an agent does that is started again."""
        self.membership.restart()
        self.leader(master)

    def pause(self) -> None:
        """Do nothing by itself until something is told: the machine is dead."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _act(self, sends: Iterable[Send]) -> None:
        for each in sends:
            self._mailer.send(self.membership.pid, each.receiver, each.name, each.body)
        self._schedule()
        phase, ignored = self.membership.phase, self.membership.ignored
        if (phase, ignored) != (self._phase, self._ignored):
            self._phase, self._ignored = phase, ignored
            self._changed(self)

    def _schedule(self) -> None:
        due = self.membership.due
        # A timer that is too early looks again; only one that is too late has to go.
        if self._timer is not None and due is not None and self._timer.when() <= due:
            return
        self.pause()
        if due is not None and self.membership.phase is not Phase.ENDED:
            self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._act(self.membership.tick(self._loop.time()))


class MailExchange(Exchange):
    """A message to an actor: accepted at once, whatever is in it."""

    __slots__ = ("_body", "_receive")

    def __init__(
        self,
        connection: ClientConnection,
        request: Request,
        receive: Callable[[str, Pid | None, bytes], None],
    ) -> None:
        super().__init__(connection, request)
        self._receive = receive
        self._body = bytearray()

    @property
    def takes_body(self) -> bool:
        return True

    def on_body(self, data: bytes) -> None:
        if len(self._body) <= _MAX_MESSAGE_BYTES:
            self._body += data

    def on_end(self) -> None:
        self.answer(202, [("Content-Length", "0")], b"")
        if len(self._body) <= _MAX_MESSAGE_BYTES:
            self._receive(name_of(self.request), sender_of(self.request), bytes(self._body))
