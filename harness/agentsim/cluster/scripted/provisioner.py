"""The command `provisioner`, played: the same arguments, events, exit codes and words.

A generator: each line of output is a step after which it may be killed, and what it has done by
then to the host is what a killed one has done. Streams of the real one, recorded, are held against
it by a test. It plays what a controller of many hosts asks for: status, facts, history, plan,
apply, stage, rollback and fence, without options that change nothing of that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import EX_CANTCREAT, EX_DATAERR, EX_IOERR, EX_NOINPUT, EX_USAGE
from typing import Any, Final

from agentsim.cluster.scripted.host_state import (
    BadProfile,
    HostState,
    Profile,
    Request,
    Run,
    read_profile,
)

_ROOT: Final = "/opt/packager"
_UNHEALTHY: Final = "the health check failed: simulated"


class Refused(Exception):
    """The command ends: its exit code, and its words on standard error."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


@dataclass(frozen=True, slots=True)
class Call:
    """How a command was called.

    Attributes:
        options: `--name=value` by name; flags are empty.
        operands: the others.
        stdin: what it reads where an operand is `-`.
        request_id: of the request that it runs for.
        hostname: of the host.
        wall: seconds since the epoch.
    """

    command: str
    options: dict[str, str]
    operands: Sequence[str]
    stdin: bytes
    request_id: str | None
    hostname: str
    wall: float

    def number(self, name: str) -> int | None:
        """An option that is a number. Raises Refused."""
        text = self.options.get(name)
        if text is None:
            return None
        if not text.isdecimal():
            raise Refused(EX_USAGE, f"--{name} {text!r}: expected a number")
        return int(text)


def parse_call(
    arguments: Sequence[str], stdin: bytes, request_id: str | None, hostname: str, wall: float
) -> Call:
    """How a command was called, from its arguments."""
    options: dict[str, str] = {}
    operands: list[str] = []
    rest = list(arguments)
    command = rest.pop(0) if rest else ""
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            operands += rest
            break
        if argument.startswith("--"):
            name, _, value = argument[2:].partition("=")
            options[name] = value
        else:
            operands.append(argument)
    return Call(command, options, operands, stdin, request_id, hostname, wall)


def play(host: HostState, call: Call) -> Iterator[str]:
    """The lines that the command writes, one after the other; the host changes as it goes on.

    Raises:
        Refused: it ends with an error.
    """
    match call.command:
        case "status":
            yield _line(_status(host))
        case "facts":
            yield _line(_facts(host, call))
        case "history":
            runs = [each.described(host.applied) for each in host.runs.values()]
            told = {"applied": host.applied, "pending": host.pending, "runs": runs}
            yield _line({**told, **_rollout(host)})
        case "plan":
            yield _line(_plan(host, call))
        case "fence":
            _check_fence(host, call, required=True)
            yield _line({**_rollout(host), "applied": _applied_run(host)})
        case "stage":
            yield from _stage(host, call)
        case "apply":
            yield from _recorded(host, call, _apply(host, call))
        case "rollback":
            yield from _recorded(host, call, _rollback(host, call))
        case _:
            raise Refused(EX_USAGE, f"a scripted provisioner has no command {call.command!r}")


def _line(event: dict[str, Any]) -> str:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False) + "\n"


def _status(host: HostState) -> dict[str, Any]:
    run = host.current
    if run is None:
        raise Refused(
            EX_NOINPUT, f"no profile was applied to {_ROOT} yet; 'provisioner apply' does it"
        )
    differences = []
    if host.unhealthy:
        differences = [{"kind": "check", "subject": "simulated", "detail": "unhealthy"}]
    return {
        "in_sync": not host.unhealthy,
        "profile": run.profile.name,
        "run": run.number,
        "revision": run.revision,
        "rollout": run.rollout,
        **_rollout(host),
        "differences": differences,
    }


def _rollout(host: HostState) -> dict[str, Any]:
    """What of rollouts the host tells everywhere."""
    return {"fence": host.fence, "holder": host.holder, "request": host.told_request}


def _applied_run(host: HostState) -> dict[str, Any] | None:
    run = host.current
    if run is None:
        return None
    told = {"revision": run.revision, "rollout": run.rollout}
    return {"run": run.number, "profile": run.profile.name, **told}


def _recorded(host: HostState, call: Call, lines: Iterator[str]) -> Iterator[str]:
    """The lines of a command that a rollout may have asked for; the request is kept."""
    rollout = call.options.get("rollout")
    _check_fence(host, call)
    if rollout is None:
        yield from lines
        return
    attempt = call.number("attempt")
    if attempt is not None:
        if attempt <= host.attempts.get(rollout, 0):
            raise Refused(
                EX_CANTCREAT, f"attempt {attempt} of rollout {rollout}, or a later one, was here"
            )
        host.attempts[rollout] = attempt
    request = host.request = Request(
        call.request_id,
        call.command,
        call.options.get("revision"),
        rollout,
        attempt,
        call.number("fence"),
        call.options.get("holder"),
        call.wall,
    )
    before = max(host.runs, default=0)
    try:
        _check_revision(host, call)
        yield from lines
    except Refused as refused:
        request.state, request.exit_code = "ended", refused.code
        request.reason = refused.words.splitlines()[0]
        raise
    except GeneratorExit:
        request.state = "interrupted"
        raise
    else:
        request.state, request.exit_code = "ended", 0
    finally:
        newest = max(host.runs, default=0)
        request.run = newest if newest > before else None
        request.finished = call.wall if request.state == "ended" else None


def _facts(host: HostState, call: Call) -> dict[str, Any]:
    run = host.current
    packages = [] if run is None else sorted((*run.profile.packages, run.profile.configuration))
    known = _rollout(host) if host.holder or host.request or (run and run.rollout) else None
    facts: dict[str, Any] = {
        "hostname": call.hostname,
        "roles": [],
        "active": {"generation": host.generation, "roles": [], "packages": packages},
        "profile": None,
        "rollout": known
        and {"revision": run and run.revision, "rollout": run and run.rollout, **known},
    }
    if run is not None:
        told = run.described(host.applied)
        facts["profile"] = {"name": run.profile.name, "run": run.number, "time": told["time"]}
    return facts


def _plan(host: HostState, call: Call) -> dict[str, Any]:
    profile, run = _profile(call), host.current
    before = None if run is None else run.profile
    old = set(before.packages) if before else set()
    return {
        "changed": before is None or before.digest != profile.digest,
        "profile": profile.name,
        "takes_over": before.name if before and before.name != profile.name else None,
        "applied": host.applied,
        "interrupted": host.pending,
        "fetch": [],
        "packages": {
            "activate": sorted(set(profile.packages) - old),
            "deactivate": sorted(old - set(profile.packages)),
            "swap": [],
        },
        "configuration": {
            "from": before.configuration if before else None,
            "to": profile.configuration,
        },
    }


def _stage(host: HostState, call: Call) -> Iterator[str]:
    _check_fence(host, call)
    _check_revision(host, call)
    profile = _profile(call)
    yield from _prepare(host, profile)
    packages = len(profile.packages) + 1
    yield _line({"event": "staged", "profile": profile.name, "packages": packages})


def _apply(host: HostState, call: Call) -> Iterator[str]:
    if call.operands:
        profile = _profile(call)
    elif (run := host.current) is not None:
        profile = run.profile
    else:
        raise Refused(EX_NOINPUT, f"no profile was applied to {_ROOT} yet: name one")
    run = host.current
    same = run is not None and run.profile.digest == profile.digest and host.pending is None
    if run is None or not same:
        yield from _change(host, call, "apply", profile)
        return
    if "rollout" in call.options:
        run = _run(host, call, "apply", profile)
        run.after, run.finished, run.outcome = host.generation, call.wall, "applied"
        host.applied = run.number
    yield _applied(host, run, changed=False)


def _rollback(host: HostState, call: Call) -> Iterator[str]:
    if call.operands:
        number = int(call.operands[0]) if call.operands[0].isdecimal() else 0
        run = host.runs.get(number)
        if run is None:
            raise Refused(
                EX_NOINPUT, f"run {number} is not kept in {_ROOT}; see 'provisioner history'"
            )
    else:
        run = _last_other(host)
    yield from _change(host, call, "rollback", run.profile, revision=run.revision)


def _last_other(host: HostState) -> Run:
    current = host.current
    for run in reversed(host.runs.values()):
        other = current is None or run.profile.digest != current.profile.digest
        if other and run.outcome == "applied":
            return run
    raise Refused(EX_NOINPUT, "there is no earlier run with another profile")


def _run(
    host: HostState, call: Call, command: str, profile: Profile, revision: str | None = None
) -> Run:
    """A run that begins."""
    number = max(host.runs, default=0) + 1
    run = Run(number, command, profile, call.wall, call.request_id, host.generation)
    run.revision = call.options.get("revision", revision)
    run.rollout, run.attempt = call.options.get("rollout"), call.number("attempt")
    host.runs[number] = run
    return run


def _change(
    host: HostState, call: Call, command: str, profile: Profile, *, revision: str | None = None
) -> Iterator[str]:
    yield from _prepare(host, profile)
    if host.disk_full:
        raise Refused(EX_IOERR, f"{_ROOT}: No space left on device")
    run = _run(host, call, command, profile, revision)
    number, former = run.number, host.current
    host.pending = number
    yield _line({"event": "run", "run": number})
    host.generations += 1
    entering = leaving = 1 if profile.configuration else 0
    leaving = leaving if former is not None else 0
    yield _planned(host.generations, profile, entering, leaving)
    host.generation = run.after = host.generations
    yield _line({"event": "switched", "generation": host.generation})
    if host.unhealthy:
        yield from _go_back(host, run, former)
    run.finished, run.outcome = call.wall, "applied"
    host.applied, host.pending = number, None
    yield _applied(host, run, changed=True)


def _go_back(host: HostState, run: Run, former: Run | None) -> Iterator[str]:
    before = run.before
    told = {"event": "rolling-back", "generation": before, "reason": _UNHEALTHY}
    yield _line(told)
    if former is not None and before is not None:
        yield _planned(before, former.profile, 1, 1)
    host.generation, host.pending = before, None
    run.finished, run.outcome, run.reason = run.started, "rolled back", _UNHEALTHY
    yield _line({"event": "switched", "generation": before})
    words = f"{_UNHEALTHY}\nthe host is as it was before: generation {before} is active"
    yield _line({"event": "failed", "error": words, "exit_code": EX_DATAERR})
    raise Refused(EX_DATAERR, words)


def _prepare(host: HostState, profile: Profile) -> Iterator[str]:
    yield _line({"event": "resolved", "packages": len(profile.packages), "missing": 0})
    fresh = profile.configuration not in host.rendered
    host.rendered.add(profile.configuration)
    told = {"event": "rendered", "id": profile.configuration, "files": profile.files}
    yield _line({**told, "changed": fresh})


def _planned(generation: int, profile: Profile, entering: int, leaving: int) -> str:
    count = len(profile.packages) + 1
    told = {"event": "planned", "generation": generation, "packages": count}
    return _line({**told, "entering": entering, "leaving": leaving})


def _applied(host: HostState, run: Run, *, changed: bool) -> str:
    return _line(
        {
            "event": "applied",
            "profile": run.profile.name,
            "run": run.number,
            "generation": host.generation,
            "changed": changed,
            "packages": len(run.profile.packages) + 1,
        }
    )


def _profile(call: Call) -> Profile:
    if call.operands != ["-"]:
        raise Refused(EX_USAGE, "a scripted provisioner reads a profile from standard input only")
    try:
        return read_profile(call.stdin)
    except BadProfile as error:
        raise Refused(EX_DATAERR, f"standard input: {error}") from None


def _check_fence(host: HostState, call: Call, *, required: bool = False) -> None:
    number, holder = call.number("fence"), call.options.get("holder")
    if call.command == "fence":
        text = call.operands[0] if call.operands else ""
        number = int(text) if text.isdecimal() else None
    if number is None:
        if required:
            raise Refused(EX_USAGE, "expected fence N --holder=ID")
        return
    known = host.holder is not None and number == host.fence and holder != host.holder
    if number < host.fence or known:
        raise Refused(
            EX_CANTCREAT,
            f"fence {number} of {holder} is not above {host.fence}, which {host.holder} holds: "
            "another controller has taken this host over",
        )
    host.fence, host.holder = number, holder


def _check_revision(host: HostState, call: Call) -> None:
    revision = call.options.get("revision")
    if revision is None:
        return
    digest = _profile(call).digest
    if host.revisions.setdefault(revision, digest) != digest:
        raise Refused(EX_CANTCREAT, f"revision {revision} is known here with another profile")
