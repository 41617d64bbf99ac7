from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rollout.core.events import Event
from rollout.records.documents import Head, HostRecord


def write_report(
    path: Path, head: Head, hosts: Mapping[str, HostRecord], events: Sequence[Event]
) -> None:
    """TODO."""
