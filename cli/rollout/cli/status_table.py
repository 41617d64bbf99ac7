"""A rollout as its record has it, for people and as a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from packager.cli import output

from rollout.cli.endings import next_steps
from rollout.core.host_states import ENDED
from rollout.core.progress import HostProgress
from rollout.core.registry import hostname
from rollout.core.summary import NO_PART, Cause, causes, counts, hosts_apart
from rollout.records.documents import Head, HostRecord

MOST_NAMED = 6  # hosts of a cause


def status_document(head: Head, hosts: Mapping[str, HostRecord], holder: str) -> dict[str, object]:
    """For programs."""
    progress = [hosts[each].progress for each in head.order if each in hosts]
    return {
        "rollout": head.id,
        "name": head.name,
        "revision": head.revision,
        "undoes": head.undoes,
        "state": head.state.value,
        "reason": None if head.pause is None else head.pause.value,
        "words": head.words,
        "holder": holder or None,
        "created": head.created,
        "elapsed": round(head.elapsed, 1),
        "batches": list(head.batches),
        "promoted": head.promoted,
        "hosts": len(head.order),
        "counts": {state.value: count for state, count in counts(progress).items()},
        "causes": [
            {"state": each.state.value, "cause": each.cause, "hosts": list(each.hosts)}
            for each in causes(progress)
        ],
        "apart": [
            {"cause": cause, "hosts": hosts} for cause, hosts in hosts_apart(head.apart).items()
        ],
    }


def show_status(head: Head, hosts: Mapping[str, HostRecord], holder: str) -> None:
    """Write it to standard output; raises OutputFailed."""
    progress = [hosts[each].progress for each in head.order if each in hosts]
    ended = sum(each.state in ENDED for each in progress)
    batch = next((n for n, last in enumerate(head.batches, 1) if _is_open(progress, last)), None)
    why = f" ({head.pause.value})" if head.pause is not None else ""
    output.fields(
        [
            ("rollout", f"{head.id}, {head.name}"),
            ("state", f"{head.state}{why}" + (f": {head.words}" if head.words else "")),
            *([("undoes", head.undoes)] if head.undoes else []),
            ("held by", holder or "nobody"),
            ("began", head.created),
            ("hosts", f"{ended} of {len(progress)} have ended"),
            ("batch", f"{batch or len(head.batches)} of {len(head.batches)}"),
        ]
    )
    output.line("")
    rows = [(state.value, str(count)) for state, count in counts(progress).items()]
    output.table(("state", "hosts"), rows)
    show_causes(causes(progress), head.apart)
    for at, step in enumerate(next_steps(head)):
        output.line(step if at else f"\n{step}")


def show_causes(found: Sequence[Cause], apart: Mapping[str, str]) -> None:
    """Write what went wrong, and who takes no part, a line a cause; raises OutputFailed."""
    rows = [(e.state.value, str(len(e.hosts)), e.cause, _named(e.hosts)) for e in found]
    for cause, hosts in hosts_apart(apart).items():
        rows.append((NO_PART, str(len(hosts)), cause, _named(hosts)))
    if rows:
        output.line("")
        output.table(("became", "hosts", "because", "which"), rows)


def _named(hosts: Sequence[str]) -> str:
    names = ", ".join(map(hostname, hosts[:MOST_NAMED]))
    more = len(hosts) - MOST_NAMED
    return f"{names} and {more} more" if more > 0 else names


def _is_open(progress: Sequence[HostProgress], last: int) -> bool:
    return any(each.state not in ENDED for each in progress[:last])
