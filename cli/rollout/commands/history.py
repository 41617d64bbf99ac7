"""`rollout history` and `report`: what became of rollouts, and of each host in one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from packager.base.errors import PackagerError
from packager.cli import output

from rollout.cli.report_table import report_document, show_report
from rollout.commands.carried_on import found
from rollout.commands.choices import journal_path
from rollout.records.documents import Head
from rollout.records.journal import LOCAL, Journal
from rollout.records.places import open_store
from rollout.records.rollout_record import RolloutRecord, heads


def history(
    *, masters: str | None, journal: str | None, zk_credentials: str | None, output_format: str
) -> int:
    """List the rollouts that this machine, or the cluster at `masters`, knows. Raises
    PackagerError, OutputFailed."""
    path = journal_path(journal)
    with closing(Journal(path)) as book:
        places = {masters} if masters else {LOCAL, *book.places().values()}
    known: list[Head] = []
    for place in sorted(places):
        try:
            with closing(open_store(place, path, zk_credentials)) as store:
                known += heads(store)
        except PackagerError as reason:
            if masters:
                raise
            output.complain(f"{place}: {reason}")
    known.sort(key=lambda head: (head.created, head.id))
    if output_format == "json":
        output.json_line({"rollouts": [_document(head) for head in known]})
    else:
        rows = [(e.id, e.created, e.state.value, str(len(e.order)), e.name) for e in known]
        output.table(("rollout", "began", "state", "hosts", "name"), rows)
    return 0


def report(
    *,
    rollouts: Sequence[str],
    masters: str | None,
    journal: str | None,
    zk_credentials: str | None,
    html: str | None,
    output_format: str,
) -> int:
    """Tell what became of each host, when and why; or write it as one HTML file. Raises NotFound,
    PackagerError, OutputFailed."""
    path = journal_path(journal)
    with found(rollouts, masters, path, zk_credentials) as one:
        record = RolloutRecord.load(one.store, one.id)
    with closing(Journal(path)) as book:
        events = book.events(one.id)
    if html is not None:
        from rollout.cli.report_html import write_report

        write_report(Path(html), record.head, record.hosts, events)
        output.complain(f"{html} is written")
    elif output_format == "json":
        output.json_line(report_document(record.head, record.hosts, events))
    else:
        show_report(record.head, record.hosts, events)
    return 0


def _document(head: Head) -> dict[str, object]:
    return {
        "rollout": head.id,
        "name": head.name,
        "created": head.created,
        "state": head.state.value,
        "hosts": len(head.order),
        "revision": head.revision,
        "undoes": head.undoes,
    }
