"""Pings: whether agents answer, and which become unreachable.

Source: Mesos `master/master.cpp` (`SlaveObserver`).
"""

from __future__ import annotations

import heapq

from agentsim.master.registration import expire, mark_unreachable, next_expiry
from agentsim.master.state import State, Tell


def pong(state: State, observer: int) -> None:
    """An agent has answered."""
    known = state.observers.get(observer)
    if known is not None:
        known.timeouts = 0
        known.pinged = False


def tick(state: State, now: float) -> list[Tell]:
    """Ping whom it is time to ping; those that were silent too long become unreachable."""
    expire(state, now)
    tells = []
    while state.pings and state.pings[0][0] <= now:
        _, number = heapq.heappop(state.pings)
        observer = state.observers.get(number)
        if observer is None:
            continue
        if observer.pinged:
            observer.timeouts += 1
            if observer.timeouts >= state.settings.max_ping_timeouts:
                mark_unreachable(state, observer.agent_id)
                continue
        agent = state.registered[observer.agent_id]
        observer.pinged = True
        # A master that was held up pings once, not once for each that it has missed.
        observer.due = max(observer.due + state.settings.ping_seconds, now + 0.001)
        heapq.heappush(state.pings, (observer.due, number))
        tells.append(Tell(agent.pid, "PingSlaveMessage", {"connected": agent.connected}, number))
    return tells


def due(state: State) -> float | None:
    """When `tick` has something to do."""
    times = [state.pings[0][0]] if state.pings else []
    expiry = next_expiry(state)
    if expiry is not None:
        times.append(expiry)
    return min(times, default=None)
