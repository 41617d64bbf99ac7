"""Who listens to many packages at once: as in `progress`, but every event says whose it is, and
there is one bar for all of them."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from packager.base.events import Field
from packager.cli import output
from packager.cli.progress import SPOKEN, Listener, sentence

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

CLEAR_LINE = b"\r\x1b[K"  # the bar's: it is drawn again with the next event


class ManyPackages(Listener):
    """Says warnings on standard error, each with the package's id."""

    def __call__(self, package_id: str, document: dict[str, Field]) -> None:
        event = str(document["event"])
        if event in SPOKEN:
            self.say(f"{package_id}: {sentence(event, document)}")
        elif event == "failed":
            self.say(f"{package_id}: {document['error']}")


class Lines(ManyPackages):
    """Writes all events to standard output, the id behind the event's name; raises OutputFailed."""

    def __call__(self, package_id: str, document: dict[str, Field]) -> None:
        super().__call__(package_id, document)
        output.json_line({"event": document["event"], "id": package_id, **document})


class Bar(ManyPackages):
    """Draws one bar for all packages. sizes: their archives' bytes; where one is not known, whole
    packages are counted and not bytes."""

    def __init__(self, sizes: dict[str, int | None]) -> None:
        known = {package_id: size for package_id, size in sizes.items() if size is not None}
        self._weights = known if len(known) == len(sizes) else dict.fromkeys(sizes, 1)
        self._in_bytes = self._weights is known
        self._done = dict.fromkeys(sizes, 0)
        self._ended = 0
        self._bar: ProgressBar[int] | None = None

    def __call__(self, package_id: str, document: dict[str, Field]) -> None:
        super().__call__(package_id, document)
        bytes_ = document.get("bytes")
        if document["event"] in ("added", "failed"):
            self._ended += 1
            self._done[package_id] = self._weights[package_id]
        elif document["event"] == "fetching" and self._in_bytes and isinstance(bytes_, int):
            self._done[package_id] = min(bytes_, self._weights[package_id])
        self._draw()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.render_progress()  # the last package may have brought no more bytes
            self._bar.__exit__(None, None, None)

    def say(self, words: str) -> None:
        if self._bar is not None:
            sys.stderr.buffer.write(CLEAR_LINE)
            sys.stderr.flush()
        output.complain(words)

    def _draw(self) -> None:
        if self._bar is None:
            import click

            self._bar = click.progressbar(
                length=sum(self._weights.values()),
                label="Fetching",
                file=sys.stderr,
                width=0,
                item_show_func=lambda _: f"{self._ended} of {len(self._done)}",
            )
            self._bar.__enter__()
        done = sum(self._done.values())
        self._bar.update(max(0, done - self._bar.pos), done)


def listener(output_format: str, sizes: dict[str, int | None]) -> ManyPackages:
    """The listener for an output format and these packages."""
    if output_format == "ndjson":
        return Lines()
    return Bar(sizes) if output.is_terminal(output.STDERR) else ManyPackages()
