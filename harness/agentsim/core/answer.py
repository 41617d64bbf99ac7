"""What became of an invocation -> the answer: status, headers and body.

Headers are in the order in which libprocess's own responses put them into their hash map, which
decides the order on the wire: `OK(JSON)` sets the type first, every other response with a body in
memory sets the length first. A body of None is sent by the host: the file or the stream that the
output is in, to which libprocess adds Content-Length or Transfer-Encoding when it sends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agentsim.core.argv import Refusal, refuse
from agentsim.core.formatting import json_string, seconds_text, short_seconds, stderr_tail
from agentsim.core.outcome import Outcome
from agentsim.core.route_table import Route
from agentsim.core.status_names import (
    EX_TEMPFAIL,
    EXIT_STATUSES,
    REASONS,
    RETRY_REASONS,
    SYSEXITS,
    signal_name,
)

# Output of more bytes than this is answered from a file, not from memory.
MEMORY_BYTES: Final = 65536

PROBLEM_TYPE: Final = "application/problem+json"
#: What the type of a problem begins with, before its reason.
REASON_URN: Final = "urn:command-abi:1:"
#: Why bytes could not be kept, where not for lack of space.
SPOOL_MISSING: Final = "the spool directory does not exist any more"
SPOOL_EXHAUSTED: Final = "no descriptor is free for another file"
_RETRY_AFTER: Final = ("Retry-After", "1")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `headers` in order of insertion, `body` None if the host sends the output."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes | None


def status_of(route: Route, outcome: Outcome) -> int:
    """The HTTP status; below 400 the answer is what the command wrote to stdout."""
    if outcome.reason != "exit" or outcome.exit_code is None:
        return REASONS[outcome.reason][0]
    code = outcome.exit_code
    return route.statuses.get(code) or EXIT_STATUSES.get(code, 500)


def answer(route: Route, outcome: Outcome, stdout: bytes | None) -> Answer:
    """The answer to a request with delivery `whole`, or of a stream that never began.

    `stdout` is the output, None if it is in a file.
    """
    status = status_of(route, outcome)
    if status < 400:
        return _success(route, status, stdout)
    return _problem_answer(
        status,
        outcome.reason,
        problem(route, outcome, status),
        retry=status == 503 and outcome.exit_code == EX_TEMPFAIL and outcome.reason == "exit",
    )


def stream_answer(route: Route) -> Answer:
    """The head of a stream, to be sent with the first byte of output."""
    return Answer(200, [("Content-Type", route.type)], None)


def refusal_answer(refusal: Refusal, request_id: str) -> Answer:
    """The answer to a request that started no command."""
    body = _problem(refusal.reason, refusal.title, refusal.status, refusal.detail, request_id)
    return _problem_answer(refusal.status, refusal.reason, (body + "}").encode("utf-8"))


def body_too_large(route: Route) -> Refusal:
    """The refusal of a body over the route's `max_body`."""
    if route.max_body == 0:
        return refuse("body-too-large", "This route takes no request body; send none.")
    return refuse("body-too-large", f"This route takes at most {route.max_body} bytes.")


def busy(route: Route) -> Refusal:
    """The refusal when the route's commands and its queue are at their limits."""
    commands = "1 command" if route.concurrency == 1 else f"{route.concurrency} commands"
    return refuse("busy", f"This route runs {commands} at once; try again in a second.")


def body_not_kept(reason: str) -> Refusal:
    """The refusal when the spool took no more of a body, for that reason."""
    if reason == SPOOL_EXHAUSTED:
        return refuse(
            "exhausted",
            "The host has no descriptor for the body of this request now. Try again in a second.",
        )
    if reason == SPOOL_MISSING:
        return refuse("spool-full", "The host's spool directory does not exist any more.")
    return refuse("spool-full", "The host's spool directory is full; try again later.")


def shutting_down() -> Refusal:
    """The refusal of a request that was waiting when the host began to shut down."""
    return refuse("shutdown", "The host is shutting down; the command was not started.")


def method_not_allowed(allowed: tuple[str, ...], method: str) -> Answer:
    """libprocess's MethodNotAllowed (include/process/http.hpp)."""
    names = "', '".join(allowed)
    body = (
        f"405 Method Not Allowed. Expecting one of {{ '{names}' }}, but received '{method}'."
    ).encode("ascii")
    return Answer(
        405,
        [
            ("Content-Length", str(len(body))),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Allow", ", ".join(allowed)),
        ],
        body,
    )


def problem(route: Route, outcome: Outcome, status: int) -> bytes:
    """The problem details (RFC 9457) of an invocation that failed."""
    tail = stderr_tail(outcome.stderr)
    parts = [
        _problem(
            outcome.reason,
            REASONS[outcome.reason][1],
            status,
            _detail(route, outcome, tail != ""),
            outcome.request_id,
        )
    ]
    if outcome.exit_code is not None:
        parts.append(f',"exit_code":{outcome.exit_code}')
    elif outcome.signal is not None:
        parts.append(f',"signal":"{signal_name(outcome.signal)}"')
    if outcome.started:
        parts.append(f',"seconds":{seconds_text(outcome.seconds)}')
    if tail:
        parts.append(f',"stderr":{json_string(tail)}')
    parts.append("}")
    return "".join(parts).encode("utf-8")


def _problem(reason: str, title: str, status: int, detail: str, request_id: str) -> str:
    return (
        f'{{"type":"{REASON_URN}{reason}","title":{json_string(title)},"status":{status},'
        f'"detail":{json_string(detail)},"request_id":{json_string(request_id)}'
    )


def _detail(route: Route, outcome: Outcome, has_stderr: bool) -> str:
    words = " Its own words are in stderr." if has_stderr else " It wrote nothing to stderr."
    end = f"can't be killed ({outcome.detail})" if outcome.runs_on else "was ended"
    match outcome.reason:
        case "exit":
            code = outcome.exit_code if outcome.exit_code is not None else -1
            name = f" ({SYSEXITS[code]})" if code in SYSEXITS else ""
            return f"The command exited with status {code}{name}.{words}"
        case "signal":
            return f"The command was ended by {signal_name(outcome.signal or 0)}.{words}"
        case "timeout":
            limit = short_seconds(outcome.timeout)
            return f"The command ran for longer than {limit} s and {end}.{words}"
        case "idle-timeout":
            limit = short_seconds(route.idle_timeout or 0)
            return f"The command wrote nothing for {limit} s and {end}.{words}"
        case "output-limit":
            return f"The command wrote more than {route.max_bytes} bytes and {end}.{words}"
        case "client-gone":
            return f"The client closed the connection, and the command {end}.{words}"
        case "shutdown":
            return f"The host is shutting down, and the command {end}.{words}"
        case "spool-full" if outcome.detail == SPOOL_MISSING:
            return f"The host's {outcome.detail[4:]}, and the command {end}.{words}"
        case "spool-full" if outcome.detail == SPOOL_EXHAUSTED:
            return f"The host has no descriptor for the output, and the command {end}.{words}"
        case "spool-full":
            return f"The output did not fit on the host's disk, and the command {end}.{words}"
        case "start-failed":
            return f"{outcome.detail}. Check the command and its directory on the host."
        case _:
            return f"{outcome.detail}. Try again in a second."


def _success(route: Route, status: int, stdout: bytes | None) -> Answer:
    content_type = ("Content-Type", route.type)
    if stdout is None:
        return Answer(status, [content_type], None)
    length = ("Content-Length", str(len(stdout)))
    if route.type == "application/json":
        return Answer(status, [content_type, length], stdout)
    return Answer(status, [length, content_type], stdout)


def _problem_answer(status: int, reason: str, body: bytes, *, retry: bool = False) -> Answer:
    headers = [("Content-Length", str(len(body))), ("Content-Type", PROBLEM_TYPE)]
    if retry or reason in RETRY_REASONS:
        headers.append(_RETRY_AFTER)
    return Answer(status, headers, body)
