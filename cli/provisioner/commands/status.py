"""`provisioner status`: whether the host is as the applied profile says."""

from __future__ import annotations

import os

from packager.base.errors import Denied, NotFound
from packager.cli import output
from packager.cli.progress import listener
from packager.host.options import HostOptions

from provisioner.runs import run_records
from provisioner.status import drift, up_to_date
from provisioner.status.drift import Difference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

    from packager.base.events import Emit
    from packager.host.options import HostOptionValues

    from provisioner.runs.run_records import Run

DIFFERENT = 65
INPUT = "input"  # of the configuration: a fact or a secret file that it was rendered with


def run(
    *,
    root: str,
    quick: bool,
    exit_zero: bool,
    output_format: str,
    **host: Unpack[HostOptionValues],
) -> int:
    """Tell; 65 if something differs, unless `exit_zero`. Raises NotFound if nothing was applied
    yet, PackagerError, OutputFailed."""
    root = os.path.abspath(root)  # noqa: PTH100
    options = HostOptions(**host)
    with listener(output_format) as emit:
        applied, pending = run_records.applied(root), run_records.pending(root)
        if applied is None and pending is None:
            raise NotFound(f"no profile was applied to {root} yet; 'provisioner apply' does it")
        found = []
        if pending is not None:
            how = "is under way" if run_records.is_busy(root) else "was interrupted"
            found.append(Difference("run", str(pending.number), "ended", f"its apply {how}"))
        if applied is not None:
            found += _profile(root, applied, options, emit)
            found += drift.differences(root, applied, options, quick=quick)
    _tell(applied, found, output_format)
    if found:
        count = output.plural(len(found), "difference")
        output.complain(f"{count}; 'provisioner apply' without a profile repairs what it can")
    return DIFFERENT if found and not exit_zero else 0


def _profile(root: str, applied: Run, options: HostOptions, emit: Emit) -> list[Difference]:
    """What of the run itself is not as it should be, and what went into it that has changed."""
    found = []
    name = str(applied.record["profile"]["name"])
    if applied.outcome != run_records.DONE:
        reason = str(applied.record["reason"] or "its apply has not ended")
        found.append(Difference(drift.PROFILE, name, "well", reason))
    try:
        profile, key = applied.profile(), run_records.key(root)
    except Denied:
        words = "the profile can't be read, so roles, facts and secrets are not compared"
        emit("warning", message=f"{words}: run as its owner")
        return found
    if profile.roles is None:
        found += drift.host_roles(applied, options)
    if key is not None and not up_to_date.same_inputs(applied, profile, key, emit):
        used = [*applied.record["inputs"]["facts"], *(["secrets"] if profile.secrets else [])]
        expected = "as it was when it was rendered"
        found.append(Difference(INPUT, ", ".join(used), expected, "another value"))
    return found


def _tell(applied: Run | None, found: list[Difference], output_format: str) -> None:
    name = str(applied.record["profile"]["name"]) if applied is not None else None
    number = applied.number if applied is not None else None
    if output_format == "ndjson":
        for each in found:
            output.json_line({"event": "difference", **each.document()})
        output.json_line(
            {
                "event": "status",
                "in_sync": not found,
                "profile": name,
                "run": number,
                "differences": len(found),
            }
        )
    elif output_format == "json":
        output.json_line(
            {
                "in_sync": not found,
                "profile": name,
                "run": number,
                "differences": [each.document() for each in found],
            }
        )
    elif found:
        rows = [(each.kind, each.subject, each.package or "", each.reason) for each in found]
        output.table(("kind", "subject", "package", "difference"), rows)
    else:
        output.line(f"the host is as {name} says (run {number})")
