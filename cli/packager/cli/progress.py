"""Who listens to a command at work: a program that reads events, a person, nobody.

Events come as often as the work makes them. A reader of NDJSON gets the first of each kind at once,
then at most a few a second, and always the last before another kind, so that every number's final
value is told. Bars are drawn on standard error, and only if that is a terminal.
"""

from __future__ import annotations

import itertools
import sys
import time

from packager.base.events import Field
from packager.cli import output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from click._termui_impl import ProgressBar

INTERVAL = 0.2  # seconds between two events of the same kind
FREQUENT = frozenset({"fetching", "unpacking"})
SPOKEN = frozenset({"warning", "retrying", "mirror"})  # said on standard error too


class Quiet:
    """Listens for warnings only, and says them on standard error."""

    spoken = False  # whether anything was written to standard output

    def __call__(self, event: str, /, **fields: Field) -> None:
        if event in SPOKEN:
            self._say(sentence(event, fields))

    def _say(self, words: str) -> None:
        output.complain(words)

    def __enter__(self) -> Quiet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return


class Events(Quiet):
    """Writes events to standard output as NDJSON, a line at once; raises OutputFailed."""

    def __init__(self, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._kind = ""
        self._told = 0.0
        self._held: dict[str, Field] | None = None

    def __call__(self, event: str, /, **fields: Field) -> None:
        super().__call__(event, **fields)
        now = time.monotonic()
        if event == self._kind and event in FREQUENT and now - self._told < self._interval:
            self._held = {"event": event, **fields}
            return
        if event != self._kind:
            self._tell_held()
        self._kind, self._told, self._held = event, now, None
        self._tell({"event": event, **fields})

    def failed(self, error: Exception, exit_code: int) -> None:
        """Tell that the command fails, if it has told anything before: a command that was refused
        before it began leaves its output empty, so that a host can still answer with a status."""
        if self.spoken:
            self._tell_held()
            self._tell({"event": "failed", "error": str(error), "exit_code": exit_code})

    def _tell_held(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            self._tell(held)

    def _tell(self, document: dict[str, Field]) -> None:
        self.spoken = True
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
    return f"warning: {fields['message']}"
