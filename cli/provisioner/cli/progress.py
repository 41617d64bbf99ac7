"""Who listens to an apply: a program that reads events, a person at a terminal, nobody.

As in `packager.cli.progress`; a person is told more, a line for every step.
"""

from __future__ import annotations

from packager.cli import output, progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.base.events import Field

SENTENCES = {
    "resolved": "packages wanted: {packages}; to be fetched: {missing}",
    "rendered": "the configuration is {id}",
    "run": "run {run} begins",
    "repaired": "{id} was repaired",
    "planned": "packages to become active: {entering}; inactive: {leaving}",
    "switched": "generation {generation} is active",
    "unit": "{name}: {action} ({reason})",
    "rolling-back": "going back to generation {generation}: {reason}",
}


class Person(progress.Bars):
    """Says every step on standard error, which is a terminal, and draws bars there."""

    def __call__(self, event: str, /, **fields: Field) -> None:
        super().__call__(event, **fields)
        if event == "probe":
            seconds = fields["seconds"]
            said = "well" if fields["ok"] else fields["reason"]
            self.say(f"{fields['kind']} {fields['name']}: {said} ({seconds} s)")
        elif event in SENTENCES:
            self.say(SENTENCES[event].format_map({"reason": "", **fields}))


def listener(output_format: str) -> progress.Quiet:
    """The listener for an output format."""
    if output_format == "ndjson":
        return progress.Events()
    return Person() if output.is_terminal(output.STDERR) else progress.Quiet()
