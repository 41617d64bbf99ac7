"""The rules for strategies that a schema can't express. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from rollout.core.amounts import ALL, Amount, Count, Percentage, parse_amount
from rollout.strategy.durations import seconds, shown

MAX_SECONDS = 365 * 86400


def broken_rules(document: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a document that fits the schema, each with its place."""
    amounts: dict[str, Amount] = {}
    places = {f"batches[{at}]": each for at, each in enumerate(document["batches"])}
    for name in ("max_unavailable", "max_failures"):
        places[name] = document[name]
    for place, value in places.items():
        try:
            amounts[place] = parse_amount(value)
        except ValueError as reason:
            yield f"{place}: it should be {reason}"
    batches = [(place, each) for place, each in amounts.items() if place.startswith("batches")]
    yield from _broken_batch_rules(batches, len(document["batches"]))
    decided = [each for place, each in amounts.items() if each != ALL]
    if any(isinstance(each, Percentage) for each in decided) and not document["select"].get(
        "at_least"
    ):
        yield (
            "select.at_least: it must be there, since there are percentages: unreachable agents "
            "are in no list, and so a selection shrinks in silence"
        )
    after = document.get("promote", {}).get("after", 1)
    if document.get("promote", {}).get("manual") and after >= len(document["batches"]):
        yield "promote.after: no batch comes after that one, so nothing would wait"
    yield from _broken_name_rules(document["select"])
    yield from _broken_time_rules(document)


def _broken_batch_rules(batches: list[tuple[str, Amount]], count: int) -> Iterator[str]:
    for (_, before), (place, each) in pairwise(batches):
        grows = type(before) is not type(each) or _size(each) > _size(before)
        if not grows:
            yield f"{place}: it is not more than the one before; batches are cumulative"
    for place, each in batches:
        if _size(each) == 0:
            yield f"{place}: it has no host"
    last = f"batches[{count - 1}]"
    if dict(batches).get(last, ALL) != ALL:
        yield f"{last}: the last one should be 100%, else hosts would never have their turn"


def _broken_time_rules(document: dict[str, Any]) -> Iterator[str]:
    """Of a grace in nanoseconds that does not fit 64 bits the master makes one below 0, and kills
    at once."""
    times = {"soak": document.get("soak", "0s")}
    for name, of_it in (
        ("drain", ("grace", "deadline")),
        ("deadline", ("apply", "progress", "rollout")),
    ):
        given = document.get(name, {})
        times |= {f"{name}.{each}": given[each] for each in of_it if each in given}
    for place, text in times.items():
        if seconds(text) > MAX_SECONDS:
            yield f"{place}: it is more than {shown(MAX_SECONDS)}"


def _broken_name_rules(select: dict[str, Any]) -> Iterator[str]:
    both = sorted({*select.get("hostnames", ())} & {*select.get("exclude", ())})
    if both:
        yield f"select.exclude: {both[0]} is among the hostnames too"


def _size(amount: Amount) -> int:
    return amount.hosts if isinstance(amount, Count) else amount.thousandths
