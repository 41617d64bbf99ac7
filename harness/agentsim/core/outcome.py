"""How a command ended: what its answer, the log and the metrics are made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one invocation.

    `reason` is a key of REASONS: "exit", "signal", or why the host ended the command or could not
    start it. Of `exit_code` and `signal` (a number) one is None, both if it never started or could
    not be killed.
    `timeout` is the time-out that applied and `seconds` the time the command took, both in seconds.
    `stderr` is what it wrote there, the last 4097 bytes at least. `detail` says why a command could
    not be started, or not be killed, without a full stop: what could not be used, and strerror(3)'s
    words.
    """

    request_id: str
    reason: str
    exit_code: int | None
    signal: int | None
    seconds: float
    timeout: float
    stderr: bytes = b""
    detail: str = ""

    @property
    def started(self) -> bool:
        return self.reason not in ("start-failed", "exhausted")

    @property
    def runs_on(self) -> bool:
        """Whether the command could not be killed, and has no end that could be told."""
        return self.started and self.exit_code is None and self.signal is None
