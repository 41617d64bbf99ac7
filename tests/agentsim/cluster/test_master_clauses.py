"""docs/master.md: every clause has a test, and every test a clause."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import ROOT

MANUAL = (ROOT / "docs" / "master.md").read_text()


def test_every_clause_has_a_test() -> None:
    known = re.findall(r"^- \*\*((?:MASTER|AGENT)-[A-Z]+-\d+)\*\*", MANUAL, re.MULTILINE)
    assert len(set(known)) == len(known) > 40
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_master_*.py"))
    tested = set(re.findall(r'"((?:MASTER|AGENT)-[A-Z]+-\d+)"', sources))
    replayed = set(re.findall(r"\*\*(MASTER-LEAD-\d)\*\*[^*]*\*\(Replayed only\.\)\*", MANUAL))
    assert tested | replayed == set(known)
    assert len(replayed) == 2
