"""The clauses of the contract, as `docs/abi.md` has them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
# In a wheel the document lies beside this file; in the project's own tree it has a folder.
_PLACES = (_HERE / "abi.md", _HERE.parents[2] / "docs" / "abi.md")
_CLAUSE = re.compile(r"^- \*\*(ABI-[A-Z]+-\d+)\*\* (.*?)(?=^- \*\*|^#|^$|\Z)", re.M | re.S)
#: Clauses that speak of commands, not of hosts: `agentsim verify-command` proves these.
OF_COMMANDS = "ABI-CMD-"


@cache
def clauses() -> dict[str, str]:
    """Every clause of hosts: its id and its sentence, in the order of the document."""
    text = next(place for place in _PLACES if place.is_file()).read_text(encoding="utf-8")
    return {
        name: " ".join(sentence.partition("*")[0].split())
        for name, sentence in _CLAUSE.findall(text)
        if not name.startswith(OF_COMMANDS)
    }
