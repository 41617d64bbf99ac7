"""The exit record: the last line of every stream, by which a client knows that it is complete."""

from __future__ import annotations

from agentsim.core.formatting import json_string, seconds_text, stderr_tail
from agentsim.core.outcome import Outcome
from agentsim.core.status_names import signal_name


def exit_record(outcome: Outcome) -> bytes:
    """One line of NDJSON with its newline."""
    code = "null" if outcome.exit_code is None else str(outcome.exit_code)
    signal = "null" if outcome.signal is None else f'"{signal_name(outcome.signal)}"'
    return (
        f'{{"abi":1,"record":"exit","request_id":{json_string(outcome.request_id)},'
        f'"exit_code":{code},"signal":{signal},"reason":"{outcome.reason}",'
        f'"seconds":{seconds_text(outcome.seconds)},'
        f'"stderr":{json_string(stderr_tail(outcome.stderr))}}}\n'
    ).encode()
