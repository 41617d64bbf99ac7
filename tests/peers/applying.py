"""Which clauses a peer can be held to: those about what every host does with a process.

Left out is what only a host of route tables has (tables, parameters, realms, exit records, problem
documents), what is peculiar to libprocess's HTTP, and what the gateway decides in a peer's place.
"""

from __future__ import annotations

from typing import Final

import pytest

APPLYING: Final = (
    *("ABI-ENV-9", "ABI-PROC-3", "ABI-PROC-4", "ABI-PROC-5", "ABI-PROC-7", "ABI-PROC-8"),
    *("ABI-PROC-9", "ABI-PROC-10", "ABI-PROC-11", "ABI-PROC-12", "ABI-PROC-13", "ABI-PROC-15"),
    *("ABI-STDIN-1", "ABI-STDIN-2", "ABI-STDIN-3", "ABI-STDIN-7", "ABI-STDIN-8", "ABI-STDIN-9"),
    *("ABI-STDIN-11", "ABI-STDIN-12", "ABI-OUT-1", "ABI-OUT-3", "ABI-OUT-4", "ABI-OUT-5"),
    *("ABI-OUT-6", "ABI-OUT-8", "ABI-OUT-10", "ABI-OUT-11", "ABI-STREAM-1", "ABI-EXIT-1"),
    *("ABI-EXIT-4", "ABI-TIME-1", "ABI-TIME-2", "ABI-TIME-6", "ABI-DISC-1", "ABI-DISC-3"),
    *("ABI-DISC-4", "ABI-DISC-5", "ABI-LOAD-1", "ABI-LOAD-4", "ABI-LOAD-5", "ABI-LOAD-6"),
    *("ABI-HTTP-1", "ABI-HTTP-2", "ABI-HTTP-5", "ABI-LIFE-1", "ABI-LIFE-3"),
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of all other clauses; a test of several counts if one of them applies."""
    left: list[pytest.Item] = []
    kept: list[pytest.Item] = []
    for item in items:
        named = {str(name) for mark in item.iter_markers("clause") for name in mark.args}
        # What was recorded is of libprocess.
        fits = named & set(APPLYING) and "test_recordings" not in item.nodeid
        (kept if fits else left).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept
