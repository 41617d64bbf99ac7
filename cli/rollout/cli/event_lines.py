"""What happens in a rollout, a line an event: for people whose output is no terminal, and for
programs."""

from __future__ import annotations

import time

from packager.cli import output

from rollout.core.events import Event, EventKind
from rollout.core.registry import hostname


def show_line(event: Event) -> None:
    """Write it for people; raises OutputFailed."""
    clock = time.strftime("%H:%M:%S", time.localtime(event.at))
    output.line(output.printable(f"{clock}  {in_words(event)}").replace("\n", "; "))


def show_json(event: Event) -> None:
    """Write it as a line of JSON; raises OutputFailed."""
    output.json_line(event.document())


def in_words(event: Event) -> str:
    """The event in a line."""
    details = event.details
    match event.kind:
        case EventKind.HOST:
            return _host_in_words(event)
        case EventKind.ROLLOUT:
            reason = f" ({details['reason']})" if "reason" in details else ""
            words = f": {details['words']}" if details.get("words") else ""
            return f"rollout is {details['state']}{reason}{words}"
        case EventKind.BATCH:
            batch, batches = details["batch"], details["batches"]
            return f"batch {batch} of {batches}, up to host {details['hosts']}"
        case EventKind.FENCED:
            silent = f", {details['silent']} do not answer" if details.get("silent") else ""
            return f"{details['hosts']} hosts obey fence {details['number']}{silent}"
        case EventKind.MASTER:
            return f"master is {details['state']}" + _after(details.get("words"))
        case EventKind.HOLDER:
            return f"held by {details['holder']}" + _after(details.get("before"), "; before: ")
    return str(details.get("words", ""))


def _host_in_words(event: Event) -> str:
    assert event.host is not None
    details = event.details
    attempt = details.get("attempt")
    again = f", attempt {attempt}" if isinstance(attempt, int) and attempt > 1 else ""
    return f"{hostname(event.host)} {details['state']}{again}" + _after(details.get("cause"))


def _after(words: object, before: str = ": ") -> str:
    return f"{before}{words}" if words else ""
