"""Faults on purpose, for the author of a client: `--inject 'cut:/packager/add:0.1' --seed 7`.

A rule is `KIND[=AMOUNT]:ROUTE:PROBABILITY`. ROUTE is a path with its process id, or `*` for every
route. For each request to a route its rules are drawn in the order given, from a generator of the
route's own, seeded by the seed, the rule and the route: the n-th request to a route meets the same
faults in every run with that seed, whatever happens on the others. Each fault is logged.

    refuse            503 as if the route were full; no command starts
    delay=SECONDS     the command starts later (1)
    kill=SECONDS      SIGKILL to the command, so long after its start (0.05)
    slow=BYTES        the answer goes out at so many bytes a second (100)
    cut=BYTES         the connection closes after so many bytes of the answer (1 to 1,000, drawn)
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import BinaryIO, Final

from agentsim.core.argv import refuse
from agentsim.simulator.command_exchange import CommandExchange, CommandHost, CommandRequest
from agentsim.simulator.exchange import ClientConnection, Headers
from agentsim.simulator.log import Log
from agentsim.wire import response_encoding

#: The kinds, and the amount of each where the rule gives none; None: drawn, or of no meaning.
KINDS: Final[dict[str, float | None]] = {
    "refuse": None,
    "delay": 1.0,
    "kill": 0.05,
    "slow": 100.0,
    "cut": None,
}
_TICK_SECONDS = 0.05
_MAX_DRAWN_CUT_BYTES = 1000
_PIECE_BYTES = 1 << 16


class BadRule(ValueError):
    """An --inject that can't be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault: which, how much of it, on what route (`*`: all), how probable."""

    kind: str
    amount: float | None
    route: str
    probability: float


def parse_rule(text: str) -> Rule:
    """The rule that `KIND[=AMOUNT]:ROUTE:PROBABILITY` stands for.

    Raises:
        BadRule: it stands for none.
    """
    head, colon, probability = text.rpartition(":")
    kind_text, second, route = head.partition(":")
    if not colon or not second:
        raise BadRule(f"{text!r}: expected KIND:ROUTE:PROBABILITY, such as cut:/packager/add:0.1")
    kind, equals, amount_text = kind_text.partition("=")
    if kind not in KINDS:
        raise BadRule(f"{text!r}: there is no fault {kind!r}; there are: {', '.join(KINDS)}")
    if equals and kind == "refuse":
        raise BadRule(f"{text!r}: refuse has no amount")
    if route != "*" and not route.startswith("/"):
        raise BadRule(f"{text!r}: a route is a path such as /packager/add, or *")
    try:
        amount = float(amount_text) if equals else KINDS[kind]
        chance = float(probability)
    except ValueError:
        raise BadRule(f"{text!r}: amount and probability are numbers") from None
    if not 0 <= chance <= 1:
        raise BadRule(f"{text!r}: a probability is from 0 to 1")
    if (amount is not None and not 0 <= amount <= 1e9) or (kind == "slow" and amount == 0):
        raise BadRule(f"{text!r}: the amount is out of range")
    return Rule(kind, amount, route, chance)


class Injector:
    """Draws the faults of each request.

    Args:
        rules: in the order in which they are drawn.
        seed: the same seed gives the same faults.
        log: told of each fault.
    """

    def __init__(self, rules: Iterable[Rule], seed: int, log: Log) -> None:
        self._rules = list(rules)
        self._seed = seed
        self.log = log
        self._generators: dict[tuple[int, str], random.Random] = {}

    def exchange(
        self, connection: ClientConnection, asked: CommandRequest, host: CommandHost
    ) -> CommandExchange:
        """The exchange of a request, with the faults that it meets."""
        faults = self.draw(f"/{asked.route.process}{asked.route.path}")
        if not faults:
            return CommandExchange(connection, asked, host)
        return FaultyExchange(connection, asked, host, faults, self.log)

    def draw(self, route: str) -> dict[str, float]:
        """The faults of the next request to a route, with their amounts."""
        faults: dict[str, float] = {}
        for index, rule in enumerate(self._rules):
            if rule.route not in ("*", route):
                continue
            generator = self._generators.get((index, route))
            if generator is None:
                generator = random.Random(f"{self._seed} {index} {route}")  # noqa: S311
                self._generators[index, route] = generator
            # Both are drawn each time, so that one request's luck does not shift the next one's.
            chance, size = generator.random(), generator.randint(1, _MAX_DRAWN_CUT_BYTES)
            if chance < rule.probability:
                faults.setdefault(rule.kind, rule.amount if rule.amount is not None else size)
        return faults


class FaultyExchange(CommandExchange):
    """A request that meets faults on its way."""

    __slots__ = ("_bucket", "_cut_after", "_drips", "_faults", "_log", "_slowed", "_to_send")

    def __init__(
        self,
        connection: ClientConnection,
        asked: CommandRequest,
        host: CommandHost,
        faults: dict[str, float],
        log: Log,
    ) -> None:
        super().__init__(connection, asked, host)
        self._faults = faults
        self._log = log
        self._cut_after = int(faults["cut"]) if "cut" in faults else None
        self._to_send: list[bytes | Callable[[], None]] = []
        self._drips = self._slowed = False
        self._bucket = 0.0

    def _say(self, fault: str) -> None:
        place = f"/{self.route.process}{self.route.path}"
        self._log.say(f"injected: {fault} ({place}, request {self.request_id})")

    # -- before and while the command runs ----------------------------------------------------

    def on_end(self) -> None:
        if self.done or self._gone:
            return
        if "refuse" in self._faults:
            self._say("refused")
            self._refuse(refuse("busy", "This refusal is injected; try again in a second."))
        elif "delay" in self._faults:
            seconds = self._faults.pop("delay")
            self._say(f"started {seconds:g} s late")
            self.host.loop.call_later(seconds, self.on_end)
        else:
            super().on_end()

    def _start(self) -> None:
        super()._start()
        if "kill" in self._faults:
            self.host.loop.call_later(self._faults["kill"], self._kill)

    def _kill(self) -> None:
        if self.host.commands.runs(self):
            self._say(f"killed process {self.pid}")
            self.kill()

    # -- the answer ---------------------------------------------------------------------------

    def answer_file(self, status: int, headers: Headers, file: BinaryIO, size: int) -> None:
        if self._cut_after is None and "slow" not in self._faults:
            super().answer_file(status, headers, file, size)
            return
        # What goes out faultily goes out piece by piece, not from file to socket.
        self.status = status
        self._put(response_encoding.file_head(status, headers, size))
        offset = 0
        while offset < size and not self.done:
            piece = os.pread(file.fileno(), _PIECE_BYTES, offset)
            offset += len(piece)
            self._put(piece)
        self._complete()

    def _put(self, data: bytes) -> None:
        if self.done:
            return
        if self._cut_after is not None:
            if len(data) >= self._cut_after:
                self._say(f"cut after {self.bytes_sent + self._cut_after} bytes")
                self._cut(data[: self._cut_after])
                return
            self._cut_after -= len(data)
        self._send(data)

    def _cut(self, data: bytes) -> None:
        self._cut_after = None
        if data:
            self._send(data)
        self._send(self.connection.finish)
        self.done = True

    def _complete(self) -> None:
        if self.done:
            return  # cut
        self._send(super()._complete)

    def _send(self, item: bytes | Callable[[], None]) -> None:
        if "slow" not in self._faults:
            self._do(item)
            return
        if not self._slowed:
            self._slowed = True
            self._say(f"slowed to {self._faults['slow']:g} bytes a second")
        self._to_send.append(item)
        if not self._drips:
            self._drips = True
            self._drop()

    def _do(self, item: bytes | Callable[[], None]) -> None:
        if isinstance(item, bytes):
            super()._put(item)
        else:
            item()

    def _drop(self) -> None:
        """Send what is due in one tick; what is not used up counts for the next one."""
        self._bucket += self._faults["slow"] * _TICK_SECONDS
        while self._to_send and not self._gone:
            item = self._to_send[0]
            if isinstance(item, bytes) and len(item) > self._bucket:
                due = int(self._bucket)
                if due:
                    super()._put(item[:due])
                    self._to_send[0] = item[due:]
                    self._bucket -= due
                break
            if isinstance(item, bytes):
                self._bucket -= len(item)
            self._do(self._to_send.pop(0))
        if self._gone:
            self._to_send.clear()
        if self._to_send:
            self.host.loop.call_later(_TICK_SECONDS, self._drop)
        else:
            self._drips = False
            self._bucket = 0.0
