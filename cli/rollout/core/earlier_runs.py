"""Which run of a host an undo takes it back to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class WayBack:
    """run: the number of the run to go back to; None: there is nothing to do, and `words` say
    why."""

    run: int | None
    words: str = ""


def way_back(history: Mapping[str, Any], undone: str, undoing: str) -> WayBack:
    """How the rollout `undoing` takes back what `undone` did to a host, by the host's document
    `history`. Raises ValueError for a document that is none."""
    applied, runs = history.get("applied"), history.get("runs")
    if not isinstance(runs, list) or not all(isinstance(each, dict) for each in runs):
        raise ValueError("it has no runs")
    known = sorted((each for each in runs if isinstance(each.get("run"), int)), key=_number)
    now = next((each for each in known if each["run"] == applied), None)
    if now is None:
        return WayBack(None, "nothing is applied to it")
    ours = [each for each in known if each.get("rollout") == undone]
    if now.get("rollout") not in (undone, undoing):
        if not ours:
            return WayBack(None, "that rollout did not reach it")
        if now["run"] < ours[0]["run"]:
            return WayBack(None, "it went back by itself")
        return WayBack(None, "something else was applied to it since")
    if not ours:
        raise ValueError("it does not know the runs of that rollout any more")
    before = [
        each
        for each in known
        if each["run"] < ours[0]["run"]
        and each.get("outcome") == "applied"
        and each.get("rollout") != undoing
    ]
    if not before:
        return WayBack(None, "it had no revision before")
    return WayBack(before[-1]["run"])


def _number(run: dict[str, Any]) -> int:
    number: int = run["run"]
    return number
