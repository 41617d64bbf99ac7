"""The report of a rollout as one HTML file: a picture of its hosts over time, batches, causes.

Nothing in it comes from elsewhere, and there is no script: it can be kept, mailed, and looked at in
twenty years.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from packager.base.errors import from_os_error

from rollout.cli.event_lines import in_words
from rollout.cli.report_table import Step, steps_of_hosts
from rollout.core.events import Event, EventKind
from rollout.core.host_states import HostState
from rollout.core.registry import hostname
from rollout.core.summary import NO_PART, causes, counts, hosts_apart
from rollout.records.documents import Head, HostRecord

WIDTH, LEFT, ROW, AXIS = 1000, 160, 13, 26  # pixels
MOST_TICKS = 10
MOST_NAMED_ROWS = 120  # more hosts have thinner rows, and no names
COLOURS = {
    HostState.WAITING: "#e6e6e6",
    HostState.STAGING: "#c9ddf2",
    HostState.DRAINING: "#f5d58a",
    HostState.APPLYING: "#5b8def",
    HostState.VERIFYING: "#8fb3f5",
    HostState.REACTIVATING: "#b9a5e8",
    HostState.SOAKING: "#b9e3b4",
    HostState.UNKNOWN: "#9a9a9a",
    HostState.DONE: "#4ea84a",
    HostState.FAILED: "#cf3f38",
    HostState.ROLLED_BACK: "#e4804f",
    HostState.ABSENT: "#7a7a7a",
    HostState.GONE: "#4d4d4d",
    HostState.SKIPPED: "#c9b98f",
}
STYLE = """
:root{color-scheme:light dark;--ink:#1d1d1f;--paper:#fff;--line:#d5d5d8}
@media(prefers-color-scheme:dark){:root{--ink:#e9e9ec;--paper:#17171a;--line:#3a3a40}}
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);
margin:2rem auto;max-width:64rem;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .6rem .25rem 0;
border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
svg{width:100%;height:auto}svg text{fill:var(--ink);font:11px system-ui,sans-serif}
.key span{display:inline-block;margin:0 1rem .3rem 0}.key i{display:inline-block;width:.8rem;
height:.8rem;margin-right:.35rem;vertical-align:-1px}
"""


def write_report(
    path: Path, head: Head, hosts: Mapping[str, HostRecord], events: Sequence[Event]
) -> None:
    """Write it. Raises PackagerError."""
    try:
        path.write_text(report_page(head, hosts, events), encoding="utf-8")
    except OSError as error:
        raise from_os_error(error, str(path.absolute())) from error


def report_page(head: Head, hosts: Mapping[str, HostRecord], events: Sequence[Event]) -> str:
    """The page. Pure."""
    title = f"rollout {head.id}: {head.name}"
    parts = [
        *_summary(head, hosts),
        "<h2>Hosts over time</h2>",
        *_picture(head, hosts, events),
        *_causes(head, hosts),
        *_happenings(events),
        *_table(head, hosts, events),
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        f"style-src 'unsafe-inline'\"><style>{STYLE}</style><h1>{escape(title)}</h1>"
        + "\n".join(parts)
        + "</html>\n"
    )


def _summary(head: Head, hosts: Mapping[str, HostRecord]) -> Iterator[str]:
    found = counts(each.progress for each in hosts.values())
    told = ", ".join(f"{count} {state.value}" for state, count in found.items())
    why = f" ({head.pause.value})" if head.pause is not None else ""
    undoes = f", takes {head.undoes} back" if head.undoes else ""
    yield (
        f"<p><b>{escape(head.state.value + why)}</b>{escape(undoes)}: {len(head.order)} hosts, "
        f"{escape(told)}. Began {escape(head.created)}, ran for {head.elapsed:.0f} s in "
        f"{len(head.batches)} batches. {escape(head.words)}</p>"
    )


def _picture(head: Head, hosts: Mapping[str, HostRecord], events: Sequence[Event]) -> Iterator[str]:
    steps = steps_of_hosts(events)
    times = [event.elapsed for event in events]
    if not times:
        yield "<p>The journal of this machine has seen nothing of it.</p>"
        return
    end = max(*times, head.attended, 1.0)
    row = ROW if len(head.order) <= MOST_NAMED_ROWS else max(1, 900 // len(head.order))
    height = AXIS + row * len(head.order)
    scale = (WIDTH - LEFT) / end
    yield f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="hosts over time">'
    yield from _axis(end, scale, height)
    for at, host in enumerate(head.order):
        y = AXIS + row * at
        if row == ROW:
            name = escape(hostname(host)[-26:])
            yield f'<text x="0" y="{y + ROW - 3}">{name}</text>'
        if host in hosts:
            yield from _bars(host, steps.get(host, []), y, row, end, scale)
    for last in head.batches[:-1]:
        y = AXIS + row * last
        yield (
            f'<line x1="0" x2="{WIDTH}" y1="{y}" y2="{y}" stroke="currentColor" '
            'stroke-dasharray="3 3" stroke-width=".6"/>'
        )
    yield "</svg>"
    used = [state for state in HostState if any(_has(state, each) for each in steps.values())]
    key = "".join(f'<span><i style="background:{COLOURS[e]}"></i>{e.value}</span>' for e in used)
    yield f'<p class="key">{key}</p>'


def _bars(
    host: str, steps: Sequence[Step], y: int, row: int, end: float, scale: float
) -> Iterator[str]:
    for at, step in enumerate(steps):
        until = steps[at + 1].elapsed if at + 1 < len(steps) else end
        width = max(0.6, (until - step.elapsed) * scale)
        told = f"{hostname(host)}: {step.state}, {step.elapsed:.0f} to {until:.0f} s"
        told += f": {step.cause}" if step.cause else ""
        yield (
            f'<rect x="{LEFT + step.elapsed * scale:.1f}" y="{y}" width="{width:.1f}" '
            f'height="{max(1, row - 1)}" fill="{COLOURS[HostState(step.state)]}">'
            f"<title>{escape(told)}</title></rect>"
        )


def _axis(end: float, scale: float, height: int) -> Iterator[str]:
    steps = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 86400)
    step = next((each for each in steps if end / each <= MOST_TICKS), steps[-1])
    for at in range(0, int(end) + 1, step):
        x = LEFT + at * scale
        words = f"{at} s" if step < 60 else f"{at // 60} min"
        yield f'<text x="{x + 2:.1f}" y="12">{words}</text>'
        yield (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}" stroke="currentColor" '
            'stroke-opacity=".15"/>'
        )


def _has(state: HostState, steps: Sequence[Step]) -> bool:
    return any(each.state == state.value for each in steps)


def _causes(head: Head, hosts: Mapping[str, HostRecord]) -> Iterator[str]:
    found = causes([each.progress for each in hosts.values()])
    rows = [(each.state.value, each.cause, each.hosts) for each in found]
    rows += [(NO_PART, cause, tuple(which)) for cause, which in hosts_apart(head.apart).items()]
    if not rows:
        return
    yield "<h2>Causes</h2><table><tr><th>became<th>hosts<th>because<th>which</tr>"
    for became, cause, which in rows:
        cells = (became, str(len(which)), cause, ", ".join(map(hostname, which)))
        yield "<tr>" + "".join(f"<td>{escape(cell)}" for cell in cells) + "</tr>"
    yield "</table>"


def _happenings(events: Sequence[Event]) -> Iterator[str]:
    yield "<h2>What happened</h2><table><tr><th>time<th>s<th></tr>"
    for event in events:
        if event.kind is not EventKind.HOST:
            clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.at))
            words = escape(in_words(event))
            yield f"<tr><td>{clock}<td>{event.elapsed:.0f}<td>{words}</tr>"
    yield "</table>"


def _table(head: Head, hosts: Mapping[str, HostRecord], events: Sequence[Event]) -> Iterator[str]:
    steps = steps_of_hosts(events)
    yield "<h2>Hosts</h2><table><tr><th>host<th>state<th>attempts<th>since<th>cause</tr>"
    for host in head.order:
        if host not in hosts:
            continue
        progress = hosts[host].progress
        seen = steps.get(host)
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seen[-1].at)) if seen else ""
        cells = (host, progress.state.value, str(progress.attempt), since, progress.cause)
        yield "<tr>" + "".join(f"<td>{escape(cell)}" for cell in cells) + "</tr>"
    yield "</table>"
