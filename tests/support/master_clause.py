"""The mark of a test with the clauses of docs/master.md that it proves."""

from __future__ import annotations

import pytest


def clause(*names: str) -> pytest.MarkDecorator:
    """Mark a test with the clauses that it proves."""
    return pytest.mark.master_clause(*names)
