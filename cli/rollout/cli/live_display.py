"""The display of a rollout in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from packager.cli import output

from rollout.cli import event_lines
from rollout.core.events import Listener


@contextmanager
def live_display(hosts: int) -> Iterator[tuple[Listener, Callable[[str], None]]]:
    """TODO."""
    del hosts
    yield event_lines.show_line, output.line
