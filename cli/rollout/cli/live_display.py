"""The display of a rollout in a terminal: batches, states, rate, and failures by cause; what has
happened scrolls above it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from packager.base.optional_libraries import required_library

from rollout.cli import event_lines
from rollout.core.events import Event, EventKind, Listener
from rollout.core.host_states import ENDED, FAILURES, HostState
from rollout.core.summary import NO_CAUSE

with required_library("terminals", extra="rollout"):
    from rich.console import Console, Group, RenderableType
    from rich.live import Live
    from rich.padding import Padding
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

RATE_SECONDS = 60.0  # of which the rate is told
MOST_CAUSES = 5
LOUD = (EventKind.ROLLOUT, EventKind.BATCH, EventKind.MASTER, EventKind.NOTE, EventKind.HOLDER)
COLOURS = {HostState.DONE: "green", HostState.FAILED: "red", HostState.ROLLED_BACK: "red"}


class LiveView:
    """What is shown of the rollout now, by the events so far. states: of the hosts before them."""

    def __init__(self, states: Mapping[str, HostState]) -> None:
        self._states = dict(states)
        self._causes: dict[str, tuple[HostState, str]] = {}
        self._ends: deque[float] = deque()
        self._state = self._reason = ""
        self._batch = ""

    def take(self, event: Event) -> None:
        """Take an event into account."""
        details = event.details
        if event.kind is EventKind.HOST and event.host is not None:
            self._take_host(event.host, HostState(str(details["state"])), details.get("cause"))
        elif event.kind is EventKind.ROLLOUT:
            self._state, self._reason = str(details["state"]), str(details.get("reason", ""))
        elif event.kind is EventKind.BATCH:
            self._batch = f"batch {details['batch']} of {details['batches']}"

    def __rich__(self) -> RenderableType:
        ended = sum(state in ENDED for state in self._states.values())
        heading = Text(f"{self._state or 'begins'}", style="bold")
        if self._reason:
            heading.append(f" ({self._reason})")
        for words in (self._batch, f"{ended} of {len(self._states)} hosts", self._rate(ended)):
            if words:
                heading.append(f"  {words}", style="default")
        # Alone it would not end its line.
        bar = Padding(ProgressBar(total=max(1, len(self._states)), completed=ended), 0)
        return Group(heading, bar, self._counts(), *self._failures())

    def _take_host(self, host: str, state: HostState, cause: object) -> None:
        before = self._states.get(host)
        self._states[host] = state
        if state in ENDED and before not in ENDED:
            self._ends.append(time.monotonic())
        if state in FAILURES:
            self._causes[host] = state, str(cause or NO_CAUSE)
        else:
            self._causes.pop(host, None)

    def _counts(self) -> Text:
        found = Text()
        for state in HostState:
            count = sum(each is state for each in self._states.values())
            if count:
                found.append(f"{state.value} {count}  ", style=COLOURS.get(state, "default"))
        return found

    def _failures(self) -> Iterator[RenderableType]:
        groups: dict[tuple[HostState, str], list[str]] = {}
        for host, kind in self._causes.items():
            groups.setdefault(kind, []).append(host)
        if not groups:
            return
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True, style="red")
        table.add_column(overflow="fold")
        ordered = sorted(groups.items(), key=lambda each: -len(each[1]))
        for (state, cause), hosts in ordered[:MOST_CAUSES]:
            table.add_row(str(len(hosts)), state.value, Text(cause))
        if len(ordered) > MOST_CAUSES:
            table.add_row("", "", f"and {len(ordered) - MOST_CAUSES} more causes")
        yield table

    def _rate(self, ended: int) -> str:
        now = time.monotonic()
        while self._ends and now - self._ends[0] > RATE_SECONDS:
            self._ends.popleft()
        if not self._ends or ended == len(self._states):
            return ""
        seconds = max(1.0, now - self._ends[0])
        return f"{len(self._ends) * 60 / seconds:.0f} a minute"


@contextmanager
def live_display(
    states: Mapping[str, HostState],
) -> Iterator[tuple[Listener, Callable[[str], None]]]:
    """Show the view until the end of the block; it stays as it was last. states: of the hosts at
    the beginning."""
    console = Console(highlight=False)
    view = LiveView(states)
    with Live(view, console=console, refresh_per_second=4, vertical_overflow="crop") as live:

        def say(words: str) -> None:
            console.print(Text(words))

        def listen(event: Event) -> None:
            view.take(event)
            if event.kind in LOUD:
                clock = time.strftime("%H:%M:%S", time.localtime(event.at))
                say(f"{clock}  {event_lines.in_words(event)}")

        yield listen, say
        live.refresh()
