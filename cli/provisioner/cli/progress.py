"""The listeners of an apply: a program that reads events, a person at a terminal, nobody.

As in `packager.cli.progress`; a person is told more, a line for every step.
"""

from __future__ import annotations

from packager.cli import output, progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.base.events import Field

MESSAGES = {
    "resolved": "packages required: {packages}; to be downloaded: {missing}",
    "rendered": "the configuration is {id}",
    "run": "run {run} begins",
    "repaired": "{id} was repaired",
    "planned": "packages to become active: {entering}; inactive: {leaving}",
    "switched": "generation {generation} is active",
    "unit": "{name}: {action} ({reason})",
    "rolling-back": "going back to generation {generation}: {reason}",
}


class TerminalListener(progress.Bars):
    """Reports every step on standard error, which is a terminal, and draws bars there."""

    def __call__(self, event: str, /, **fields: Field) -> None:
        super().__call__(event, **fields)
        if event == "probe":
            seconds = fields["seconds"]
            result = "ok" if fields["ok"] else fields["reason"]
            self.say(f"{fields['kind']} {fields['name']}: {result} ({seconds} s)")
        elif event in MESSAGES:
            self.say(MESSAGES[event].format_map({"reason": "", **fields}))


def listener(output_format: str) -> progress.Quiet:
    """The listener for an output format."""
    if output_format == "ndjson":
        return progress.Events()
    return TerminalListener() if output.is_terminal(output.STDERR) else progress.Quiet()
