"""`packager plan`, and `--dry-run` of the commands it is about: what would be done."""

from __future__ import annotations

from packager.activation.activate import planned
from packager.activation.plan_document import document
from packager.activation.planning import ACTIONS, Plan, Request
from packager.base.errors import UsageError
from packager.cli import output
from packager.cli.converters import CONVERTERS, Malformed
from packager.commands.set_requests import parse_roles, rollback_request
from packager.host.options import HostOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from packager.host.options import HostOptionValues

KINDS = {
    "activate": "package_or_range",
    "swap": "package_or_range",
    "deactivate": "package",
    "rollback": "number",
}


def run(
    *,
    root: str,
    words: Sequence[str],
    add: bool,
    roles: str | None,
    output_format: str,
    **host: Unpack[HostOptionValues],
) -> int:
    """Show a plan; raises PackagerError, OutputFailed."""
    options = HostOptions(**host)
    action = words[0] if words and words[0] in ACTIONS else "activate"
    rest = words[1:] if words and words[0] == action else words
    try:
        values = [CONVERTERS[KINDS[action]](word) for word in rest]
    except Malformed as reason:
        raise UsageError(str(reason)) from None
    if action == "rollback":
        request = rollback_request([int(value) for value in values], options)
    elif action == "swap" and len(values) != 1:
        raise UsageError("swap takes one package id")
    else:
        ids = [str(value) for value in values]
        request = Request(action, ids, add=add, roles=parse_roles(roles), options=options)
    show(planned(root, request), output_format)
    return 0


def show(plan: Plan, output_format: str) -> None:
    """Write the plan to standard output; raises OutputFailed."""
    described = document(plan)
    if output_format != "table":
        output.json_line(described)
        return
    if not plan.changed:
        output.line(f"generation {plan.target.number} is active already; nothing would be changed")
        return
    output.table(("what", "change", "subject", "detail"), rows(described))


def rows(described: dict[str, object]) -> list[tuple[str, str, str, str]]:
    """The document as the rows of a table."""
    found: list[tuple[str, str, str, str]] = []
    generations = described["generation"]
    assert isinstance(generations, dict)
    found.append(("generation", "switch", str(generations["to"]), f"from {generations['from']}"))
    for section in ("packages", "links", "environment", "host"):
        part = described[section]
        assert isinstance(part, dict)
        for change, subjects in part.items():
            for subject, detail in _subjects(subjects):
                found.append((section, change, subject, detail))
    edited = described["edited"]
    assert isinstance(edited, list)
    for each in edited:
        stays = each["place"] or "kept aside"
        found.append(("edited", "leave", each["path"], f"of {each['of']}: {stays}"))
    return found


def _subjects(subjects: object) -> list[tuple[str, str]]:
    if isinstance(subjects, dict):
        return [(str(key), _words(value)) for key, value in subjects.items()]
    if isinstance(subjects, list):
        return [_subject(each) for each in subjects]
    return [(_words(subjects), "")]


def _subject(each: object) -> tuple[str, str]:
    if not isinstance(each, dict):
        return _words(each), ""
    first, *others = each.items()
    return _words(first[1]), " ".join(f"{key}={_words(value)}" for key, value in others)


def _words(value: object) -> str:
    if isinstance(value, str):
        return value
    import json

    return json.dumps(value, ensure_ascii=False)
