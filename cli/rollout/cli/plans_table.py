"""What would change on hosts, for people and as documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from packager.cli import output

from rollout.controller.host_plans import PlanGroup


def plans_document(groups: Sequence[PlanGroup]) -> list[dict[str, object]]:
    """The plans for programs."""
    return [
        {"hosts": [str(host) for host in group.hosts], "plan": group.plan, "cause": group.cause}
        for group in groups
    ]


def show_plans(groups: Sequence[PlanGroup]) -> None:
    """Write them to standard output; raises OutputFailed."""
    if groups:
        output.line("")
        rows = [(f"{len(each.hosts)}", _words(each), str(each.hosts[0])) for each in groups]
        output.table(("hosts", "would change", "such as"), rows)


def _words(group: PlanGroup) -> str:
    if group.plan is None:
        return f"not known: {group.cause}"
    if not group.plan.get("changed"):
        return "nothing"
    found: list[str] = []
    packages = _object(group.plan.get("packages"))
    for step in ("activate", "swap", "deactivate"):
        names = packages.get(step) or []
        found += [f"{step} {_name(each)}" for each in names]
    files = _object(group.plan.get("configuration")).get("files") or []
    found += [f"{each.get('change')} {each.get('path')}" for each in files]
    found += [f"repair {each.get('subject')}" for each in group.plan.get("repair") or []]
    return ", ".join(found) or "something"


def _name(entry: Any) -> str:
    return str(entry.get("to")) if isinstance(entry, dict) else str(entry)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
