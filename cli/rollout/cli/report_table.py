"""What became of each host of a rollout, when, and why."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packager.cli import output

from rollout.cli.status_table import show_causes, status_document
from rollout.core.events import Event, EventKind
from rollout.core.registry import hostname
from rollout.core.summary import causes
from rollout.records.documents import Head, HostRecord


@dataclass(frozen=True)
class Step:
    """When a host came into a state: seconds since the epoch, and of running time."""

    state: str
    at: float
    elapsed: float
    cause: str


def steps_of_hosts(events: Sequence[Event]) -> dict[str, list[Step]]:
    """What the journal has seen of each host, in order."""
    found: dict[str, list[Step]] = defaultdict(list)
    for event in events:
        if event.kind is EventKind.HOST and event.host is not None:
            state, cause = str(event.details["state"]), str(event.details.get("cause", ""))
            found[event.host].append(Step(state, event.at, event.elapsed, cause))
    return found


def report_document(
    head: Head, hosts: Mapping[str, HostRecord], events: Sequence[Event]
) -> dict[str, object]:
    """For programs."""
    steps = steps_of_hosts(events)
    return {
        **status_document(head, hosts, ""),
        "report": [
            {
                "host": host,
                "state": hosts[host].progress.state.value,
                "attempts": hosts[host].progress.attempt,
                "cause": hosts[host].progress.cause,
                "steps": [
                    {"state": e.state, "time": e.at, "elapsed": e.elapsed, "cause": e.cause}
                    for e in steps.get(host, ())
                ],
            }
            for host in head.order
            if host in hosts
        ],
        "events": [each.document() for each in events if each.kind is not EventKind.HOST],
    }


def show_report(head: Head, hosts: Mapping[str, HostRecord], events: Sequence[Event]) -> None:
    """Write it to standard output; raises OutputFailed."""
    steps = steps_of_hosts(events)
    rows = []
    for host in head.order:
        if host not in hosts:
            continue
        progress = hosts[host].progress
        seen = steps.get(host)
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seen[-1].at)) if seen else ""
        attempts = str(progress.attempt)
        name = hostname(host)
        rows.append((name, progress.state.value, attempts, at, progress.cause))
    output.table(("host", "state", "attempts", "since", "cause"), rows)
    show_causes(causes([each.progress for each in hosts.values()]), head.apart)
