"""A plan for people: a table, and the configuration as a diff below it."""

from __future__ import annotations

from packager.cli import output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from provisioner.planning.documents import PlanDocument

    Row = tuple[str, str, str, str]

COLUMNS = ("what", "change", "subject", "why")


def show_plan(plan: PlanDocument) -> None:
    """Write it to standard output; raises OutputFailed."""
    rows = [*_package_rows(plan), *_configuration_rows(plan), *_host_rows(plan)]
    output.table(COLUMNS, rows)
    diffs = [each["diff"] for each in plan["configuration"]["files"] if each["diff"]]
    if diffs:
        output.line("")
        output.line(output.printable("\n".join(diffs)))


def _package_rows(plan: PlanDocument) -> Iterator[Row]:
    if plan["interrupted"] is not None:
        yield "run", "finish", str(plan["interrupted"]), "the apply was interrupted"
    if plan["takes_over"] is not None:
        words = f"in place of {plan['takes_over']}, whose configuration goes"
        yield "profile", "take over", plan["profile"], words
    for fetched in plan["fetch"]:
        verified = "verified" if fetched["verified"] else "unverified"
        size = "" if fetched["size"] is None else f", {output.amount(fetched['size'])}"
        yield "package", "fetch", fetched["id"], f"from {fetched['repository']}, {verified}{size}"
    packages = plan["packages"]
    for package_id in packages["activate"]:
        yield "package", "activate", package_id, "the profile requires it"
    for swapped in packages["swap"]:
        yield "package", "swap", swapped["to"], f"instead of {swapped['from']}"
    for package_id in packages["deactivate"]:
        yield "package", "deactivate", package_id, "the profile does not require it"
    roles = plan["roles"]
    if roles["from"] != roles["to"]:
        before, after = (", ".join(each) or "none" for each in (roles["from"], roles["to"]))
        yield "roles", "change", after, f"instead of {before}"


def _configuration_rows(plan: PlanDocument) -> Iterator[Row]:
    for file in plan["configuration"]["files"]:
        given = ", ".join(f"{kind} {name}" for kind, name in (file["owners"] or {}).items())
        why = "; ".join(filter(None, (file["reason"], given and f"given to {given}")))
        yield "file", file["change"], file["path"], why
    for edit in plan["edited"] or ():
        yield (
            "file",
            "leave",
            edit["path"],
            f"edited in {edit['of']}: {edit['place'] or 'kept aside'}",
        )
    for difference in plan["repair"]:
        yield difference["kind"], "repair", difference["subject"], difference["reason"]


def _host_rows(plan: PlanDocument) -> Iterator[Row]:
    host = plan["host"] or {}
    reasons = host.get("reasons", {})
    restart, start = host.get("restart", []), host.get("start", [])
    for step, units in (("stop", host.get("stop", [])), ("restart", restart), ("start", start)):
        for unit in units:
            yield "unit", step, unit, reasons.get(unit, "")
    for unit in plan["restart"]:
        if unit not in (*restart, *start):
            yield "unit", "restart", unit, "its configuration changes"
    for user in host.get("users", []):
        yield "user", "make", user["name"], f"for {user['package']}"
    for directory in host.get("directories", []):
        yield "directory", "make", directory["path"], f"for {directory['package']}"
    for file in host.get("file_owners", []):
        owner = f"{file['user'] or ''}:{file['group'] or ''}"
        yield "owner", "give", file["path"], f"to {owner}, for {file['package']}"
    for name, value in host.get("sysctl", {}).items():
        yield "setting", "set", name, value
