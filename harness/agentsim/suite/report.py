"""A table of clauses and hosts: what was proved of which host, and why not where it was not.

A report is kept as JSON and shown as Markdown. Runs against several hosts that name the same file
become columns of one table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentsim.suite.clauses import clauses

#: What can be said of a clause, the worst first; that of a clause is the worst of its tests.
STATES = ("failed", "skipped", "passed")
UNTESTED = "no test"
_SIGNS = {"failed": "**FAIL**", "skipped": "skipped", "passed": "pass", UNTESTED: "**no test**"}


@dataclass
class Column:
    """What was found of one host: for each clause its tests, with outcome and reason."""

    tests: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)

    def add(self, clause: str, test: str, outcome: str, why: str) -> None:
        """Note a test; of several outcomes of one test (call, teardown) the worst counts."""
        known = self.tests.setdefault(clause, {}).get(test)
        if known is None or STATES.index(outcome) < STATES.index(known[0]):
            self.tests[clause][test] = (outcome, why)

    def state(self, clause: str) -> str:
        """What is to be said of a clause: passed if a test passed it, and none failed."""
        outcomes = {outcome for outcome, _ in self.tests.get(clause, {}).values()}
        if "failed" in outcomes:
            return "failed"
        if "passed" in outcomes:
            return "passed"
        return "skipped" if outcomes else UNTESTED

    def to_json(self) -> dict[str, Any]:
        """For the JSON report."""
        return {
            clause: {
                "state": self.state(clause),
                "tests": {
                    test: {"outcome": outcome, "why": why} if why else {"outcome": outcome}
                    for test, (outcome, why) in self.tests.get(clause, {}).items()
                },
            }
            for clause in clauses()
        }


def write(file: Path, host: str, column: Column) -> None:
    """Write the report, or its column for a host if there is one already.

    Args:
        file: its name; JSON goes to the name with `.json`, Markdown to that with `.md`.
        host: the head of the column.
        column: what was found.
    """
    machine = file.with_suffix(".json")
    hosts: dict[str, Any] = {}
    if machine.exists():
        hosts = json.loads(machine.read_text(encoding="utf-8"))["hosts"]
    hosts[host] = column.to_json()
    report = {"abi": 1, "hosts": hosts}
    machine.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    file.with_suffix(".md").write_text(markdown(hosts), encoding="utf-8")


def markdown(hosts: Mapping[str, Mapping[str, Any]]) -> str:
    """The report for people: a table, and below it what failed or was skipped."""
    names = list(hosts)
    lines = [
        "# The command ABI, clause by clause",
        "",
        "| clause | " + " | ".join(names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for clause in clauses():
        states = [hosts[name].get(clause, {"state": UNTESTED})["state"] for name in names]
        lines.append(f"| {clause} | " + " | ".join(_SIGNS[state] for state in states) + " |")
    for name in names:
        lines += ["", f"## {name}", ""]
        lines += _summary(hosts[name])
    return "\n".join(lines) + "\n"


def _summary(found: Mapping[str, Any]) -> list[str]:
    states = [found.get(clause, {"state": UNTESTED})["state"] for clause in clauses()]
    counts = ", ".join(
        f"{states.count(state)} {said}"
        for state, said in (
            ("passed", "pass"),
            ("failed", "fail"),
            ("skipped", "were skipped"),
            (UNTESTED, "have no test"),
        )
        if state in states
    )
    lines = [f"Of {len(states)} clauses {counts}."]
    for outcome in ("failed", "skipped"):
        whys: dict[str, set[str]] = {}
        for clause, entry in found.items():
            for test, result in entry["tests"].items():
                if result["outcome"] == outcome:
                    name = f"`{test.rpartition('/')[2]}`: {result.get('why', '')}"
                    whys.setdefault(name, set()).add(clause)
        if whys:
            lines += ["", f"{outcome.capitalize()}:", ""]
            lines += [f"- {' '.join(sorted(of))}: {name}" for name, of in sorted(whys.items())]
    return lines
