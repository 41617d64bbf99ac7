"""Downloads in tests: one call after the other into one file, with what each of them told."""

from __future__ import annotations

from pathlib import Path

from packager.repositories.download import fetch
from packager.repositories.retry_policy import Policy

QUICK = Policy(connect_timeout=2, read_timeout=2, retries=3, first_delay=0.001, longest_delay=0.01)
IMPATIENT = Policy(connect_timeout=0.2, read_timeout=0.3, retries=0)


class Download:
    """One call of fetch, with what it told and what it left in the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: list[tuple[str, dict[str, object]]] = []

    def __call__(self, url: str, policy: Policy = QUICK, **expected: object) -> bytes:
        with self.path.open("w+b") as file:
            fetch(url, file, policy=policy, emit=self._emit, **expected)  # type: ignore[arg-type]
        return self.path.read_bytes()

    def _emit(self, event: str, /, **fields: object) -> None:
        self.events.append((event, fields))

    @property
    def retries(self) -> list[object]:
        return [fields["reason"] for event, fields in self.events if event == "retrying"]
