"""`rollout status` and `watch`: where a rollout is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from packager.cli import output

from rollout.cli.endings import exit_status
from rollout.cli.status_table import show_status, status_document
from rollout.commands.carried_on import Found, found
from rollout.commands.choices import journal_path
from rollout.core import rollout_states
from rollout.core.rollout_states import RolloutState
from rollout.records.documents import Head
from rollout.records.rollout_record import RolloutRecord, holder_of

WATCH_SECONDS = 1.0


def status(
    *,
    rollouts: Sequence[str],
    masters: str | None,
    journal: str | None,
    zk_credentials: str | None,
    output_format: str,
) -> int:
    """Report it. Raises NotFound, PackagerError, OutputFailed."""
    with found(rollouts, masters, journal_path(journal), zk_credentials) as one:
        record = RolloutRecord.load(one.store, one.id)
        holder = holder_of(one.store, one.id)
    if output_format == "json":
        output.json_line(status_document(record.head, record.hosts, holder))
    else:
        show_status(record.head, record.hosts, holder)
    return 0


def watch(
    *,
    rollouts: Sequence[str],
    masters: str | None,
    journal: str | None,
    zk_credentials: str | None,
    output_format: str,
) -> int:
    """Report it whenever it changes, until it has ended or is paused and held by nobody; give the
    exit status for that. Raises NotFound, PackagerError, OutputFailed."""
    with found(rollouts, masters, journal_path(journal), zk_credentials) as one:
        show = _shown_as_json if output_format == "ndjson" else _shown_as_line
        head = _watched(one, show)
    return exit_status(head)


def _watched(one: Found, show: Callable[[dict[str, Any]], None]) -> Head:
    last: dict[str, Any] = {}
    while True:
        record = RolloutRecord.load(one.store, one.id)
        holder = holder_of(one.store, one.id)
        document = status_document(record.head, record.hosts, holder)
        kept = {name: each for name, each in document.items() if name != "elapsed"}
        if kept != last:
            last = kept
            show(document)
        state = record.head.state
        if state in rollout_states.ENDED or (state is RolloutState.PAUSED and not holder):
            return record.head
        time.sleep(WATCH_SECONDS)


def _shown_as_json(document: dict[str, Any]) -> None:
    output.json_line(document)


def _shown_as_line(document: dict[str, Any]) -> None:
    told = ", ".join(f"{count} {state}" for state, count in document["counts"].items())
    why = f" ({document['reason']})" if document["reason"] else ""
    clock = time.strftime("%H:%M:%S")
    output.line(output.printable(f"{clock}  {document['state']}{why}: {told}"))
