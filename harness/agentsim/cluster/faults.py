"""Faults on purpose: of one agent, of some, or of a share of them.

`KIND[=AMOUNT]:AGENTS`, at the start (`--inject`) or while the cluster runs (`control.py`). AGENTS
is a number, a range `3-7`, a hostname, an attribute `role=web`, a share `10%`, or `*`, and several
of them with commas. The agents of a share are drawn from the seed, the kind and the share, so the
same cluster has the same faults in every run.

    unreachable         the machine is dead: connections break, none can be made, nothing is sent
    hang                it takes connections and does nothing with them
    disconnect          its connections break, once; it registers anew
    refuse              it refuses credentials: 401 on every route in a realm
    slow=BYTES          answers of routes go out at so many bytes a second (100)
    delay=SECONDS       commands start later (1)
    cut=BYTES           answers of routes are cut after so many bytes (100)
    busy                routes answer 503, as if they were full
    full                the disk is full: what a scripted command would write fails
    unhealthy           a scripted host's health check fails: an apply goes back
    die=SECONDS         so long (0.05) after the next command that changes something has started,
                        the machine dies: the command is killed, and it is unreachable
    restart=SECONDS     the agent ends and starts again so much later (1), with its id
    return              all faults end; one that was dead comes back with its id
    return-new          the same, but it comes back as a new agent: its work directory is lost
    twin                a second agent appears with the same hostname and address, at another port
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from agentsim.mesos.agent_description import AgentDescription

#: The kinds, and what the amount of each is if the fault does not say; None: it has none.
KINDS: Final[Mapping[str, float | None]] = {
    "unreachable": None,
    "hang": None,
    "disconnect": None,
    "refuse": None,
    "slow": 100.0,
    "delay": 1.0,
    "cut": 100.0,
    "busy": None,
    "full": None,
    "unhealthy": None,
    "die": 0.05,
    "restart": 1.0,
    "return": None,
    "return-new": None,
    "twin": None,
}
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
_SHARE = re.compile(r"(\d+(?:\.\d+)?)%")


class BadFault(ValueError):
    """A fault that can't be injected; the text says why."""


class Selectable(Protocol):
    """An agent, as far as it can be chosen."""

    @property
    def number(self) -> int: ...

    @property
    def description(self) -> AgentDescription: ...


Agent = TypeVar("Agent", bound=Selectable)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: which, how much of it, of which agents (as text)."""

    kind: str
    amount: float | None
    agents: str


def parse_fault(text: str) -> Fault:
    """The fault that `KIND[=AMOUNT]:AGENTS` stands for.

    Raises:
        BadFault: it stands for none.
    """
    head, colon, agents = text.partition(":")
    kind, equals, amount_text = head.partition("=")
    if not colon or not agents:
        raise BadFault(f"{text!r}: expected KIND:AGENTS, such as unreachable:10%")
    if kind not in KINDS:
        raise BadFault(f"{text!r}: there is no fault {kind!r}; there are: {', '.join(KINDS)}")
    if equals and KINDS[kind] is None:
        raise BadFault(f"{text!r}: {kind} has no amount")
    try:
        amount = float(amount_text) if equals else KINDS[kind]
    except ValueError:
        raise BadFault(f"{text!r}: the amount is a number") from None
    if amount is not None and not 0 <= amount <= 1e9:
        raise BadFault(f"{text!r}: the amount is out of range")
    if kind == "slow" and amount == 0:
        raise BadFault(f"{text!r}: nothing would ever arrive: use hang")
    return Fault(kind, amount, agents)


def select(agents: Sequence[Agent], text: str, seed: str) -> list[Agent]:
    """The agents that a text names, in the order of their numbers.

    Args:
        agents: all there are.
        text: as in a fault.
        seed: what shares are drawn from.

    Raises:
        BadFault: it names none.
    """
    chosen: set[int] = set()
    for part in filter(None, (each.strip() for each in text.split(","))):
        found = set(_numbers(agents, part, seed))
        if not found:
            raise BadFault(f"{part!r}: there is no such agent")
        chosen |= found
    if not chosen:
        raise BadFault(f"{text!r}: expected numbers, hostnames, ATTRIBUTE=VALUE, a share or *")
    return [agent for agent in agents if agent.number in chosen]


def _numbers(agents: Sequence[Selectable], part: str, seed: str) -> Iterable[int]:
    if part == "*":
        return [agent.number for agent in agents]
    if (share := _SHARE.fullmatch(part)) is not None:
        count = round(len(agents) * float(share[1]) / 100)
        numbers = [agent.number for agent in agents]
        drawn = random.Random(f"{seed} {part}").sample(numbers, min(count, len(numbers)))  # noqa: S311
        if not count:
            raise BadFault(f"{part!r} of {len(agents)} agents is none")
        return drawn
    if (match := _RANGE.fullmatch(part)) is not None:
        low, high = int(match[1]), int(match[2] or match[1])
        return [agent.number for agent in agents if low <= agent.number <= high]
    name, equals, value = part.partition("=")
    if equals:
        return [agent.number for agent in agents if _attribute(agent.description, name) == value]
    return [agent.number for agent in agents if agent.description.hostname == part]


def _attribute(description: AgentDescription, name: str) -> str | None:
    if name in ("region", "zone"):
        return description.region if name == "region" else description.zone
    for each in description.attributes:
        if each["name"] == name and each["type"] == "TEXT":
            value: str = each["text"]["value"]
            return value
    return None
