"""How a rollout is shown while it goes on: every event into the journal, and to whoever looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packager.cli import output

from rollout.cli import event_lines
from rollout.cli.endings import exit_status, next_steps
from rollout.core.events import Event, Listener
from rollout.core.host_states import HostState
from rollout.records.documents import Head
from rollout.records.journal import Journal


@dataclass(frozen=True)
class Shown:
    """say: tell a person something that is no event."""

    journal: Journal
    listener: Listener
    say: Callable[[str], None]


@contextmanager
def presented(
    rollout: str, journal: Path, output_format: str, states: Mapping[str, HostState]
) -> Iterator[Shown]:
    """Show what happens until the end of the block. states: of the hosts at the beginning. Raises
    OutputFailed, PackagerError."""
    book = Journal(journal)
    try:
        with _display(output_format, states) as (show, say):

            def listen(event: Event) -> None:
                book.add(rollout, event)
                show(event)

            yield Shown(book, listen, say)
    finally:
        book.close()


def waiting(head: Head) -> dict[str, HostState]:
    """The hosts of a rollout that has not begun."""
    return dict.fromkeys(head.order, HostState.WAITING)


def finish(head: Head, output_format: str) -> int:
    """Say how it ended and what can be done; give the exit status."""
    if output_format == "table":
        words = f" ({head.pause.value})" if head.pause is not None else ""
        output.line(f"rollout {head.id} is {head.state}{words}")
        for step in next_steps(head):
            output.line(step)
    return exit_status(head)


@contextmanager
def _display(
    output_format: str, states: Mapping[str, HostState]
) -> Iterator[tuple[Listener, Callable[[str], None]]]:
    if output_format == "ndjson":
        yield event_lines.show_json, output.complain
    elif output.is_terminal(output.STDOUT):
        from rollout.cli.live_display import live_display

        with live_display(states) as (show, say):
            yield show, say
    else:
        yield event_lines.show_line, output.line
