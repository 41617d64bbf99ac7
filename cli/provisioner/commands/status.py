"""`provisioner status`: whether the host is in sync with the applied profile."""

from __future__ import annotations

import os
import time

from packager.api import HostOptions
from packager.base.errors import Denied, NotFound
from packager.cli import output
from packager.cli.progress import listener

from provisioner.runs import reader
from provisioner.runs.rollout_state import INTERRUPTED, RUNNING, told_state
from provisioner.runs.run import APPLIED
from provisioner.status.difference import INPUT, PROFILE, RUN, UNREAD, Difference
from provisioner.status.drift import find_differences, host_role_differences
from provisioner.status.template_inputs import are_inputs_unchanged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

    from packager.api import HostOptionValues
    from packager.base.events import Emit

    from provisioner.runs.rollout_state import ToldState
    from provisioner.runs.run import Run

DIFFERENT_EXIT_CODE = 65
UNREAD_EXIT_CODE = 77  # nothing differs of what could be looked at, and not all could


def run(
    *,
    root: str,
    quick: bool,
    exit_zero: bool,
    output_format: str,
    **host: Unpack[HostOptionValues],
) -> int:
    """Report it; 65 if something differs, 77 if nothing does but not all could be looked at; 0 with
    `exit_zero`. Raises NotFound if nothing was
    applied yet, PackagerError, OutputFailed."""
    root = os.path.abspath(root)  # noqa: PTH100
    options = HostOptions(**host)
    with listener(output_format) as emit:
        applied, pending = reader.applied_run(root), reader.pending_run(root)
        if applied is None and pending is None:
            raise NotFound(f"no profile was applied to {root} yet; 'provisioner apply' does it")
        found = []
        is_running = pending is not None and reader.is_apply_running(root)
        if pending is not None:
            state = "is under way" if is_running else "was interrupted"
            found.append(Difference(RUN, str(pending.number), "ended", f"its apply {state}"))
        if applied is not None:
            found += _run_differences(root, applied, options, emit)
            found += find_differences(root, applied, options, quick=quick)
    unread = [each for each in found if each.kind == UNREAD]
    found = [each for each in found if each.kind != UNREAD]
    if output_format == "prometheus":
        from provisioner.cli.status_metrics import status_metrics

        run_state = None if pending is None else RUNNING if is_running else INTERRUPTED
        told = told_state(root)
        output.write(status_metrics(applied, run_state, found, unread, told, time.time()).encode())
    else:
        _report(applied, found, unread, output_format, told_state(root))
    for each in unread:
        output.complain(f"not looked at: {_subject(each)}: {each.reason}")
    if found:
        count = output.plural(len(found), "difference")
        output.complain(f"{count}; 'provisioner apply' without a profile repairs what it can")
    code = DIFFERENT_EXIT_CODE if found else UNREAD_EXIT_CODE if unread else 0
    return 0 if exit_zero else code


def _subject(each: Difference) -> str:
    known = each.package is None or each.package == each.subject
    return each.subject if known else f"{each.package} {each.subject}"


def _run_differences(root: str, applied: Run, options: HostOptions, emit: Emit) -> list[Difference]:
    """In the outcome of the applied run, and in what it was rendered with."""
    found = []
    if applied.outcome != APPLIED:
        reason = str(applied.record["reason"] or "its apply has not ended")
        found.append(Difference(PROFILE, applied.profile_name, "healthy", reason))
    try:
        profile, key = applied.profile(), reader.digest_key(root)
    except Denied:
        words = "the profile can't be read, so roles, facts and secrets are not compared"
        emit("warning", message=f"{words}: run as its owner")
        return found
    if profile.roles is None:
        found += host_role_differences(applied, options)
    if key is not None and not are_inputs_unchanged(applied, profile, key, emit):
        used = [*applied.record["inputs"]["facts"], *(["secrets"] if profile.secrets else [])]
        expected = "as it was when it was rendered"
        found.append(Difference(INPUT, ", ".join(used), expected, "another value"))
    return found


def _report(
    applied: Run | None,
    found: list[Difference],
    unread: list[Difference],
    output_format: str,
    told: ToldState,
) -> None:
    name = applied.profile_name if applied is not None else None
    number = applied.number if applied is not None else None
    # Of what could not be looked at nobody knows.
    in_sync = False if found else None if unread else True
    summary = {"in_sync": in_sync, "profile": name, "run": number, **_rollout(applied), **told}
    if output_format == "ndjson":
        for each in found:
            output.json_line({"event": "difference", **each.document()})
        for each in unread:
            output.json_line({"event": "unread", **_unread(each)})
        more = {"unread": len(unread)} if unread else {}
        output.json_line({"event": "status", **summary, "differences": len(found), **more})
    elif output_format == "json":
        listed = {"unread": [_unread(each) for each in unread]} if unread else {}
        differences = [each.document() for each in found]
        output.json_line({**summary, "differences": differences, **listed})
    elif found:
        rows = [(each.kind, each.subject, each.package or "", each.reason) for each in found]
        output.table(("kind", "subject", "package", "difference"), rows)
    elif unread:
        output.line(f"what could be looked at is as {name} says (run {number})")
    else:
        output.line(f"the host is as {name} says (run {number})")


def _rollout(applied: Run | None) -> dict[str, str | None]:
    """The revision of the applied run, and the rollout that brought it."""
    record = None if applied is None else applied.record
    return {
        "revision": record.get("revision") if record else None,
        "rollout": record.get("rollout") if record else None,
    }


def _unread(each: Difference) -> dict[str, str | None]:
    return {"subject": each.subject, "package": each.package, "reason": each.reason}
