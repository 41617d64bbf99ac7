"""What the controller makes of what hosts say of themselves."""

from __future__ import annotations

from typing import Any

import pytest
from rollout.core.earlier_runs import WayBack, way_back
from rollout.core.outcomes import (
    Became,
    Outcome,
    ToldFence,
    cause,
    ended,
    fence_told,
    gate_flaw,
    of_attempt,
)


def run(number: int, rollout: str | None, **more: Any) -> dict[str, Any]:
    return {"run": number, "rollout": rollout, "attempt": 1, "outcome": "applied", **more}


def request(**more: Any) -> dict[str, Any]:
    told = {"rollout": "r", "attempt": 1, "state": "ended", "exit_code": 0, "reason": None}
    return {**told, **more}


@pytest.mark.parametrize(
    ("history", "became"),
    [
        ({"runs": [], "request": None}, Became.NOT_BEGUN),
        ({"runs": [], "request": request(attempt=2)}, Became.NOT_BEGUN),
        ({"runs": [], "request": request(rollout="other")}, Became.NOT_BEGUN),
        ({"runs": [], "request": request(state="running")}, Became.RUNNING),
        ({"runs": [], "request": request(state="interrupted")}, Became.INTERRUPTED),
        ({"runs": [run(1, "r")], "request": request(state="interrupted")}, Became.APPLIED),
        ({"runs": [run(1, "r", outcome="unfinished")], "request": None}, Became.INTERRUPTED),
        ({"runs": [run(1, "r")], "request": None}, Became.APPLIED),
        ({"runs": [run(1, "r", outcome="rolled back")], "request": None}, Became.ROLLED_BACK),
        ({"runs": [], "request": request()}, Became.APPLIED),
        ({"runs": [], "request": request(exit_code=74)}, Became.FAILED),
        (
            {
                "runs": [run(1, "r", outcome="rolled back", reason="why\nmore")],
                "request": request(exit_code=65),
            },
            Became.ROLLED_BACK,
        ),
    ],
)
def test_what_became_of_an_attempt(history: dict[str, Any], became: Became) -> None:
    assert of_attempt(history, "r", 1).became is became


def test_a_document_that_is_none_says_nothing() -> None:
    with pytest.raises(ValueError, match="no runs"):
        of_attempt({"runs": None}, "r", 1)
    with pytest.raises(ValueError, match="no runs"):
        way_back({}, "r", "u")
    assert fence_told({"fence": True}) is None and fence_told({}) is None
    assert gate_flaw({}, checks=True) == "its status can't be understood"


def test_causes_have_no_program_before_them_and_one_line() -> None:
    assert cause("\nprovisioner: no space left\nmore") == "no space left"
    assert ended(None, "", went_back=False) == Outcome(Became.INTERRUPTED, "it was killed")
    assert ended(74, "", went_back=False).cause == "exit code 74"


@pytest.mark.parametrize(
    ("told", "foreign"),
    [((3, "a"), False), ((4, "a"), True), ((3, "b"), True), ((2, "b"), False), ((0, None), False)],
)
def test_whose_fence_it_is(told: tuple[int, str | None], foreign: bool) -> None:
    assert ToldFence(*told).is_foreign(3, "a") is foreign


def test_checks_count_only_if_they_are_to() -> None:
    status = {"in_sync": False, "differences": [{"kind": "check", "subject": "db"}]}
    assert gate_flaw(status, checks=False) == ""
    assert gate_flaw(status, checks=True) == "it is not as its profile says: check db"
    assert gate_flaw({"in_sync": None, "differences": []}, checks=True) == "it is not in sync"
    assert gate_flaw({"in_sync": True}, checks=True) == ""


@pytest.mark.parametrize(
    ("runs", "applied", "way"),
    [
        ([run(1, None), run(2, "r")], 2, WayBack(1)),
        ([run(1, "a"), run(2, "r", outcome="rolled back"), run(3, "r")], 3, WayBack(1)),
        ([run(1, "a"), run(2, None, outcome="failed"), run(3, "r")], 3, WayBack(1)),
        ([run(2, "r")], 2, WayBack(None, "it had no revision before")),
        ([run(1, None), run(2, "r"), run(3, "x")], 3, "something else was applied to it since"),
        ([run(1, None), run(2, "r", outcome="rolled back")], 1, "it went back by itself"),
        ([run(1, None)], 1, "that rollout did not reach it"),
        # Its own attempt has failed after the switch: the way is the same once more.
        ([run(1, None), run(2, "r"), run(3, "u", outcome="unhealthy")], 3, WayBack(1)),
        ([], None, "nothing is applied to it"),
    ],
)
def test_the_way_back(runs: list[dict[str, Any]], applied: int | None, way: Any) -> None:
    found = way_back({"applied": applied, "runs": runs}, "r", "u")
    assert found == (way if isinstance(way, WayBack) else WayBack(None, way))
