"""`provisioner status --format=prometheus`: the text format of Prometheus, version 0.0.4, for the
textfile collector of node_exporter. Pure.

Every series is there each time, with 0 where there is nothing: what appears with the first
difference can't be alerted on. No path, unit or secret is a label, so there are few of them.
"""

from __future__ import annotations

from math import isnan

from packager import __version__

from provisioner.runs.rollout_state import INTERRUPTED, RUNNING
from provisioner.status.difference import KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from provisioner.runs.rollout_state import ToldState
    from provisioner.runs.run import Run
    from provisioner.status.difference import Difference

    Sample = tuple[dict[str, str], float]

PENDING_STATES = (RUNNING, INTERRUPTED)
ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def status_metrics(
    applied: Run | None,
    pending: str | None,
    found: Sequence[Difference],
    unread: Sequence[Difference],
    told: ToldState,
    now: float,
) -> str:
    """The whole text. pending: one of PENDING_STATES, None if no run is pending. now: seconds since
    1970."""
    in_sync = 0.0 if found else float("nan") if unread else 1.0
    counts = {kind: sum(each.kind == kind for each in found) for kind in KINDS}
    families = [
        _family(
            "provisioner_in_sync",
            "Whether the host is as the applied profile says; NaN: not all could be looked at.",
            [({}, in_sync)],
        ),
        _family(
            "provisioner_differences",
            "How many differences between the host and the applied profile there are.",
            [({"kind": kind}, count) for kind, count in counts.items()],
        ),
        _family(
            "provisioner_unread_subjects",
            "How many things could not be looked at.",
            [({}, len(unread))],
        ),
        _family(
            "provisioner_applied_run_info",
            "The run whose profile is applied; run 0 if none is.",
            [(_run_labels(applied), 1)],
        ),
        _family(
            "provisioner_pending_run",
            "Whether a run is under way, or was interrupted and waits for the next apply.",
            [({"state": state}, state == pending) for state in PENDING_STATES],
        ),
        _family(
            "provisioner_fence",
            "The highest number of a rollout's controller that was seen.",
            [({}, told["fence"])],
        ),
        _family(
            "provisioner_status_timestamp_seconds",
            "When this was looked at.",
            [({}, round(now, 3))],
        ),
        _family("packager_build_info", "The version.", [({"version": __version__}, 1)]),
    ]
    return "".join(families)


def _run_labels(applied: Run | None) -> dict[str, str]:
    if applied is None:
        return {"profile": "", "run": "0", "outcome": "", "revision": ""}
    return {
        "profile": applied.profile_name,
        "run": str(applied.number),
        "outcome": applied.outcome or "",
        "revision": applied.record.get("revision") or "",
    }


def _family(name: str, text: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        written = ",".join(f'{label}="{word.translate(ESCAPED)}"' for label, word in labels.items())
        series = f"{name}{{{written}}}" if labels else name
        lines.append(f"{series} {_number(value)}")
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return "NaN" if isnan(value) else f"{value:.15g}"
