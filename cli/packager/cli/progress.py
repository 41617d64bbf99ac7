"""Who listens to a command at work: a program that reads events, a person, nobody.

Events come as often as the work makes them; a reader of NDJSON gets them paced (see
`event_pacing`). Bars are drawn on standard error, and only if that is a terminal.
"""

from __future__ import annotations

import itertools
import sys
from contextlib import contextmanager

from packager.base.errors import PackagerError
from packager.base.event_pacing import FREQUENT, MIN_INTERVAL_SECONDS, PacedEvents
from packager.base.events import Field
from packager.base.stop_signals import stoppable
from packager.cli import output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from click._termui_impl import ProgressBar

SPOKEN = frozenset(
    {"warning", "retrying", "mirror", "kept", "edited"}
)  # said on standard error too


class Listener:
    """Nobody: what every listener begins with. A listener is left when the work has ended."""

    written = False  # whether anything was written to standard output

    def say(self, words: str) -> None:
        """Say something on standard error."""
        output.complain(words)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return


class Quiet(Listener):
    """Listens for warnings only, and says them on standard error."""

    def __call__(self, event: str, /, **fields: Field) -> None:
        if event in SPOKEN:
            self.say(sentence(event, fields))

    def failed(self, error: PackagerError) -> None:
        """Hear that the command fails. A person is told by the end of the command itself."""


class Events(Quiet):
    """Writes events to standard output as NDJSON, a line at once; raises OutputFailed."""

    def __init__(self, min_interval: float = MIN_INTERVAL_SECONDS) -> None:
        self._paced = PacedEvents(self._write, min_interval)

    def __call__(self, event: str, /, **fields: Field) -> None:
        super().__call__(event, **fields)
        self._paced(event, **fields)

    def failed(self, error: PackagerError) -> None:
        """Tell that the command fails, if it has told anything before: a command that was refused
        before it began leaves its output empty, so that a host can still answer with a status."""
        if self.written:
            self._paced.flush()
            self._write({"event": "failed", "error": str(error), "exit_code": error.exit_code})

    def _write(self, document: dict[str, Field]) -> None:
        self.written = True
        output.json_line(document)


class Bars(Quiet):
    """Draws a bar for what is going on, on the terminal that standard error is."""

    def __init__(self) -> None:
        self._kind = ""
        self._bar: ProgressBar[int] | None = None

    def __call__(self, event: str, /, **fields: Field) -> None:
        if event not in FREQUENT:
            self._end()
            super().__call__(event, **fields)
            return
        done, total = fields.get("bytes"), fields.get("total")
        if event != self._kind or self._bar is None:
            self._end()
            self._begin(event, total if isinstance(total, int) else None)
        assert self._bar is not None
        if isinstance(done, int):
            self._bar.update(done - self._bar.pos, done)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _begin(self, event: str, total: int | None) -> None:
        import click

        self._kind = event
        # click wants a length or something to iterate over, which may be without an end.
        self._bar = click.progressbar(
            None if total is not None else itertools.count(),
            length=total,
            label=event.capitalize(),
            file=sys.stderr,
            width=0,
            # Without a total there is nothing that a bar could be a part of.
            bar_template="%(label)s  " + ("[%(bar)s]  " if total is not None else "") + "%(info)s",
            update_min_steps=1 << 16 if total is None or total > 1 << 20 else 1,
            item_show_func=lambda done: None if done is None else output.amount(done),
        )
        self._bar.__enter__()

    def _end(self) -> None:
        if self._bar is not None:
            bar, self._bar, self._kind = self._bar, None, ""
            bar.__exit__(None, None, None)


@contextmanager
def listening(emit: Quiet) -> Iterator[Quiet]:
    """What a changing command does its work in: `emit` listens, the command can be told to stop
    (Stopped), and a failure of its is told to a reader of events, too.

    Raises what the block raises.
    """
    with stoppable(), emit:
        try:
            yield emit
        except PackagerError as error:
            emit.failed(error)
            raise


def listener(output_format: str) -> Quiet:
    """The listener for an output format."""
    if output_format == "ndjson":
        return Events()
    return Bars() if output.is_terminal(output.STDERR) else Quiet()


def sentence(event: str, fields: dict[str, Field]) -> str:
    """What is said to a person of an event in SPOKEN."""
    if event == "retrying":
        return f"{fields['source']}: {fields['reason']}; trying again in {fields['seconds']} s"
    if event == "mirror":
        return f"{fields['source']}: {fields['reason']}; trying the next mirror"
    if event == "kept":
        place = fields["place"]
        return f"{fields['of']}: {fields['path']} is somebody else's, or edited: kept as {place}"
    if event == "edited":
        return f"{fields['of']}: {fields['path']} was edited; it stays in {fields['place']}, unused"
    return f"warning: {fields['message']}"
