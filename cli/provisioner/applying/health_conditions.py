"""The conditions of a profile: packages' checks, units, HTTP probes. Looked at side by side.

All are looked at once; those that are not met again, `retries` times, `interval` seconds apart.
Each attempt at each of them has `timeout` seconds, and is told as an event:

    probe    kind (check, unit, http), name, attempt (from 1), ok, reason, seconds
"""

from __future__ import annotations

import os
import time
from contextlib import closing

from packager.generations.environment_files import variables
from packager.host import package_checks, systemd_units
from packager.repositories.http_policy import redacted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from packager.base.events import Emit
    from packager.host.package_checks import Check
    from packager.package.declarations import Declarations

    from provisioner.profile.document import Document

JOBS = 8  # checks at once
MOST_WORDS = 400  # characters of what a check said that are told
MOST_REASONS = 10
LEEWAY = 2.0  # seconds that an attempt may take beyond its time before it is given up


class Condition:
    """One condition. `ask` says why it is not met, None if it is; checks are asked together."""

    __slots__ = ("ask", "check", "kind", "name", "reason")

    def __init__(
        self,
        kind: str,
        name: str,
        *,
        ask: Callable[[], str | None] | None = None,
        check: Check | None = None,
    ) -> None:
        self.kind = kind
        self.name = name
        self.ask = ask
        self.check = check
        self.reason: str | None = None  # why it was not met the last time


def conditions(
    root: str, wanted: Document, packages: Mapping[str, Declarations], *, systemd: bool
) -> list[Condition]:
    """The conditions `wanted` (see `Profile.health`) for the active `packages`. Without systemd
    there are none about units. Raises OSError."""
    found = []
    if wanted["checks"]:
        for check in package_checks.find(root, packages)[0]:
            found.append(Condition("check", f"{check.package} {check.name}", check=check))
    if systemd:
        for unit in wanted["units"]:
            found.append(Condition("unit", unit, ask=lambda unit=unit: _unit(unit)))  # type: ignore[misc]
    for probe in wanted["http"]:
        shown = redacted(probe["url"])
        found.append(Condition("http", shown, ask=_http(probe, wanted["timeout"])))
    return found


def unmet(
    found: Sequence[Condition],
    wanted: Document,
    environment: Mapping[str, str],
    emit: Emit,
) -> list[Condition]:
    """Those that are not met after the last attempt, each with its reason.

    environment: that of the checks (see `environment_for`).
    """
    left = list(found)
    for attempt in range(1, wanted["retries"] + 2):
        if attempt > 1:
            time.sleep(wanted["interval"])
        for condition, seconds in _looked_at(left, wanted["timeout"], environment):
            emit(
                "probe",
                kind=condition.kind,
                name=condition.name,
                attempt=attempt,
                ok=condition.reason is None,
                reason=condition.reason,
                seconds=round(seconds, 3),
            )
        left = [each for each in left if each.reason is not None]
        if not left:
            break
    return left


def environment_for(root: str, packages: Mapping[str, Declarations]) -> dict[str, str]:
    """The environment of checks: this process's, and the active set's."""
    return {**os.environ, **variables(root, packages)}


def words(left: Sequence[Condition]) -> str:
    """Why the host is not well, as one message."""
    told = [f"{each.kind} {each.name}: {each.reason}" for each in left[:MOST_REASONS]]
    if len(left) > len(told):
        told.append(f"and {len(left) - len(told)} more")
    return "\n".join(told)


def _looked_at(
    found: Sequence[Condition], timeout: float, environment: Mapping[str, str]
) -> Iterator[tuple[Condition, float]]:
    """One attempt at all of them; each with the seconds it took, as they come."""
    from queue import Empty, SimpleQueue
    from threading import Thread

    began = time.monotonic()
    done: SimpleQueue[tuple[Condition, str | None, float]] = SimpleQueue()

    def one(condition: Condition, ask: Callable[[], str | None]) -> None:
        try:
            reason = ask()
        except Exception as error:  # whatever it is, the condition is not met
            reason = f"{type(error).__name__}"
        done.put((condition, reason, time.monotonic() - began))

    waiting = {each for each in found if each.ask is not None}
    for each in found:
        if each.ask is not None:
            # A daemon: one that hangs is given up, and must not keep the process.
            Thread(target=one, args=(each, each.ask), daemon=True).start()
    by_check = {each.check: each for each in found if each.check is not None}
    with closing(
        package_checks.run(by_check, timeout=timeout, jobs=JOBS, environment=environment)
    ) as running:
        for result in running:
            condition = by_check[result.check]
            condition.reason = None if result.ok else _why(result)
            yield condition, result.seconds
    while waiting:
        left = began + timeout + LEEWAY - time.monotonic()
        try:
            condition, reason, seconds = done.get(timeout=max(left, 0.0))
        except Empty:
            break
        waiting.discard(condition)
        condition.reason = reason
        yield condition, seconds
    for condition in waiting:
        condition.reason = f"no answer for {timeout:g} s"
        yield condition, time.monotonic() - began


def _http(probe: Document, timeout: float) -> Callable[[], str | None]:
    def ask() -> str | None:
        from provisioner.applying.http_probe import ask as get

        return get(probe, timeout)

    return ask


def _unit(name: str) -> str | None:
    code, said = systemd_units.systemctl("is-active", name)
    return None if code == 0 else f"it is {said or 'not active'}"


def _why(result: package_checks.Result) -> str:
    how = {"timeout": "timed out", "start-failed": "can't be started"}.get(result.reason)
    if how is None:
        ended = result.exit_code is None
        how = f"killed by {result.signal}" if ended else f"exit code {result.exit_code}"
    said = (result.stderr.strip() or result.stdout.strip())[-MOST_WORDS:]
    return f"{how}: {said}" if said else how
