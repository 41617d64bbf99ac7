"""From the bytes of a strategy to its value: what is wrong with it is reported all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from packager.base.documents.kind import DocumentKind
from packager.base.documents.parser import parse
from packager.base.documents.schema_validation import invalid, schema_violations
from packager.base.documents.source import display_name, read_source

from rollout.core import strategy as values
from rollout.core.amounts import parse_amount
from rollout.core.registry import attribute_text
from rollout.core.strategy import Strategy
from rollout.strategy.durations import seconds
from rollout.strategy.rules import broken_rules

SCHEMA_PATH = Path(__file__).with_name("strategy.schema.json")
KIND = DocumentKind("strategy", "strategies", extra="rollout")


def read_strategy(source: str) -> tuple[dict[str, Any], Strategy]:
    """The strategy at a path, or (`-`) on standard input: its document and its value.

    Raises UsageError, NotFound, DataError with everything that is wrong, ConfigError if a library
    is missing, PackagerError for errno.
    """
    place = display_name(source)
    document = parse(read_source(source, KIND).content, place, KIND)
    return document, strategy(document, place)


def strategy(document: dict[str, Any], place: str) -> Strategy:
    """The strategy that `document` is; `place` is where it came from, for messages. Raises
    DataError, ConfigError."""
    document = _integral(document)
    reasons = schema_violations(document, str(SCHEMA_PATH), KIND) or list(broken_rules(document))
    if reasons:
        raise invalid(place, reasons)
    return _value(document)


def _integral(value: Any) -> Any:
    """The value with integers for numbers such as 3.0, which are integers in JSON."""
    if isinstance(value, dict):
        return {name: _integral(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_integral(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _value(document: dict[str, Any]) -> Strategy:
    masters = document["masters"]
    given: dict[str, Any] = {
        "masters": (masters,) if isinstance(masters, str) else tuple(masters),
        "select": _select(document["select"]),
        "batches": tuple(parse_amount(each) for each in document["batches"]),
        "max_unavailable": parse_amount(document["max_unavailable"]),
        "max_failures": parse_amount(document["max_failures"]),
    }
    for name in ("name", "profile", "concurrency", "attempts"):
        if name in document:
            given[name] = document[name]
    if "order" in document:
        given["order"] = _with_enums(values.Order, document["order"], spread=values.Spread)
    if "promote" in document:
        given["promote"] = values.Promote(**document["promote"])
    if "stage" in document:
        given["stage_concurrency"] = document["stage"].get("concurrency", 50)
    if "drain" in document:
        rules = _with_durations(document["drain"], "grace", "deadline")
        enums = {"mode": values.DrainMode, "on_deadline": values.OnDeadline}
        given["drain"] = _with_enums(values.DrainRules, rules, **enums)
    if "gate" in document:
        given["gate"] = _gate(document["gate"])
    if "soak" in document:
        given["soak"] = seconds(document["soak"])
    if "deadline" in document:
        limits = _with_durations(document["deadline"], *document["deadline"])
        given["deadline"] = values.Deadlines(**limits)
    if "absent" in document:
        enums = {"at_start": values.AtStart, "late": values.Late, "lost": values.Lost}
        given["absent"] = _with_enums(values.Absent, document["absent"], **enums)
    if "on_failure" in document:
        given["on_failure"] = values.OnFailure(document["on_failure"])
    return Strategy(**given)


def _select(rules: dict[str, Any]) -> values.Select:
    return values.Select(
        attributes={
            name: attribute_text(each) for name, each in rules.get("attributes", {}).items()
        },
        region=rules.get("region"),
        zones=tuple(rules.get("zone", ())),
        hostnames=tuple(rules.get("hostnames", ())),
        exclude=tuple(rules.get("exclude", ())),
        at_least=rules.get("at_least"),
    )


def _gate(rules: dict[str, Any]) -> values.Gate:
    made = {**rules, "http": tuple(values.HttpCheck(**each) for each in rules.get("http", ()))}
    made["command"] = tuple(rules.get("command", ()))
    gate: values.Gate = _with_enums(values.Gate, made, status=values.GateStatus)
    return gate


def _with_enums(kind: Any, rules: dict[str, Any], **enums: Any) -> Any:
    return kind(**{n: enums[n](each) if n in enums else each for n, each in rules.items()})


def _with_durations(rules: dict[str, Any], *names: str) -> dict[str, Any]:
    return {n: seconds(each) if n in names else each for n, each in rules.items()}
