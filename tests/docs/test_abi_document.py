"""docs/abi.md can be read by tools: its clauses, and the failure modes that they rule out."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from agentsim.core.status_names import REASONS

TEXT = (Path(__file__).parents[2] / "docs" / "abi.md").read_text(encoding="utf-8")
CLAUSES = re.findall(r"^- \*\*(ABI-[A-Z]+-\d+)\*\*", TEXT, re.MULTILINE)


def test_clauses_are_numbered_without_gaps() -> None:
    numbers: dict[str, list[int]] = defaultdict(list)
    for clause in CLAUSES:
        group, _, number = clause.rpartition("-")
        numbers[group].append(int(number))
    print(f"{len(CLAUSES)} clauses in {len(numbers)} groups")
    assert len(CLAUSES) >= 80
    for group, found in numbers.items():
        assert found == list(range(1, len(found) + 1)), group


def test_every_clause_that_is_mentioned_is_there() -> None:
    assert set(re.findall(r"ABI-[A-Z]+-\d+", TEXT)) == set(CLAUSES)


def test_every_failure_mode_is_ruled_out_by_a_clause() -> None:
    rows = re.findall(r"^\| (\d+) \| .* \| ((?:ABI-[A-Z]+-\d+ ?)+) \|$", TEXT, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 91))


def test_every_reason_of_a_problem_is_named() -> None:
    clause = TEXT[TEXT.index("ABI-ERR-3") : TEXT.index("ABI-ERR-4")]
    assert all(f"`{reason}`" in clause for reason in REASONS)
