"""`provisioner plan`: what an apply would do, and why."""

from __future__ import annotations

import os

from packager.cli import output
from packager.host.options import HostOptions

from provisioner.base.options import Settings
from provisioner.cli.progress import listener
from provisioner.desired import planning
from provisioner.desired.desired_state import Finder
from provisioner.profile.loading import given
from provisioner.runs import run_records
from provisioner.status import drift
from provisioner.status.plan_document import document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Unpack

    from packager.host.options import HostOptionValues

    from provisioner.profile.document import Document


def run(
    *,
    root: str,
    sources: Sequence[str],
    sha256: str | None,
    upgrade: bool,
    quick: bool,
    config_path: str | None,
    connect_timeout: float,
    read_timeout: float,
    retries: int,
    output_format: str,
    **host: Unpack[HostOptionValues],
) -> int:
    """Show a plan; raises PackagerError, OutputFailed."""
    root = os.path.abspath(root)  # noqa: PTH100
    settings = Settings(
        quick=quick,
        upgrade=upgrade,
        config_path=config_path,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries=retries,
        host=HostOptions(**host),
    )
    with listener("table") as emit:
        profile = given(root, sources, sha256, settings, emit).profile
        # A key of the moment will do where there is none yet: nothing has a digest to compare.
        key = (run_records.key(root) if profile.secrets else None) or os.urandom(32)
        intent = Finder(root, profile, settings, key=key, emit=emit).find()
    complete = not intent.missing and not intent.configuration.unknown
    plan = planning.planned(root, intent, settings) if complete else None
    applied, pending = run_records.applied(root), run_records.pending(root)
    differences = []
    if applied is not None:
        wanted = set(intent.all_ids)
        found = drift.differences(root, applied, settings.host, quick=quick)
        differences = [each for each in found if each.package is None or each.package in wanted]
    told = document(root, intent, plan, differences, applied, pending)
    if output_format == "json":
        output.json_line(told)
    elif not told["changed"]:
        output.line(f"the host is as {profile.name} says; nothing would be changed")
    else:
        _show(told)
    return 0


def _show(told: Document) -> None:
    """As a table, and the configuration as a diff below it."""
    output.table(("what", "change", "subject", "why"), list(_rows(told)))
    diffs = [each["diff"] for each in told["configuration"]["files"] if each["diff"]]
    if diffs:
        output.line("")
        output.line(output.printable("\n".join(diffs)))


def _rows(told: Document) -> Iterator[tuple[str, str, str, str]]:
    if told["interrupted"] is not None:
        yield "run", "finish", str(told["interrupted"]), "the apply was interrupted"
    for each in told["fetch"]:
        trusted = "verified" if each["verified"] else "unverified"
        size = "" if each["size"] is None else f", {output.amount(each['size'])}"
        yield "package", "fetch", each["id"], f"from {each['repository']}, {trusted}{size}"
    sets = told["packages"]
    for each in sets["activate"]:
        yield "package", "activate", each, "the profile wants it"
    for each in sets["swap"]:
        yield "package", "swap", each["to"], f"instead of {each['from']}"
    for each in sets["deactivate"]:
        yield "package", "deactivate", each, "the profile does not want it"
    if told["roles"]["from"] != told["roles"]["to"]:
        before = ", ".join(told["roles"]["from"]) or "none"
        yield "roles", "change", ", ".join(told["roles"]["to"]) or "none", f"instead of {before}"
    for each in told["configuration"]["files"]:
        yield "file", each["change"], each["path"], each["reason"] or ""
    for each in told["repair"]:
        yield each["kind"], "repair", each["subject"], each["reason"]
    host = told["host"] or {}
    for step in ("stop", "restart", "start"):
        for unit in host.get(step, ()):
            yield "unit", step, unit, host.get("reasons", {}).get(unit, "")
    for unit in told["restart"]:
        if unit not in (*host.get("restart", ()), *host.get("start", ())):
            yield "unit", "restart", unit, "its configuration changes"
    for user in host.get("users", ()):
        yield "user", "make", user["name"], f"for {user['package']}"
    for directory in host.get("directories", ()):
        yield "directory", "make", directory["path"], f"for {directory['package']}"
    for name, value in host.get("sysctl", {}).items():
        yield "setting", "set", name, value
