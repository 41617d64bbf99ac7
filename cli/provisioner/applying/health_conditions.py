"""The health conditions of a profile: packages' checks, units, HTTP probes; one attempt at all of
them, side by side."""

from __future__ import annotations

import time
from contextlib import closing

from packager.api import find_checks, redacted, run_checks, systemctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from packager.api import Check, CheckResult, Declarations

    from provisioner.profile.documents import HttpProbeDocument
    from provisioner.profile.model import HealthConditions

    Probe = Callable[[], str | None]  # why the condition is not met, None: it is

CHECK, UNIT, HTTP = "check", "unit", "http"  # kinds
MAX_PARALLEL_CHECKS = 8
MAX_OUTPUT_SHOWN_CHARACTERS = 400  # of a check that failed
GRACE_SECONDS = 2.0  # beyond an attempt's timeout, before it is given up


class Condition:
    """One condition: `probe` finds out why it is not met. Packages' checks have `check` in its
    place, since they are run together. reason: why it was not met the last time."""

    __slots__ = ("check", "kind", "name", "probe", "reason")

    def __init__(
        self, kind: str, name: str, *, probe: Probe | None = None, check: Check | None = None
    ) -> None:
        self.kind = kind
        self.name = name
        self.probe = probe
        self.check = check
        self.reason: str | None = None


def conditions_of(
    root: str, health: HealthConditions, packages: Mapping[str, Declarations], *, systemd: bool
) -> list[Condition]:
    """The conditions for the active `packages`. Without systemd there are none about units. Raises
    OSError."""
    found = []
    if health.checks:
        for check in find_checks(root, packages)[0]:
            found.append(Condition(CHECK, f"{check.package} {check.name}", check=check))
    if systemd:
        for unit in health.units:
            found.append(Condition(UNIT, unit, probe=_unit_probe(unit)))
    for each in health.http:
        probe = _http_probe(each, health.timeout_seconds)
        found.append(Condition(HTTP, redacted(each["url"]), probe=probe))
    return found


def check_all(
    conditions: Sequence[Condition], timeout_seconds: float, environment: Mapping[str, str]
) -> Iterator[tuple[Condition, float]]:
    """One attempt at each, its `reason` set; each with the seconds it took, as they end.
    environment: of the packages' checks."""
    from queue import Empty, SimpleQueue
    from threading import Thread

    begin = time.monotonic()
    ended: SimpleQueue[tuple[Condition, str | None, float]] = SimpleQueue()

    def run(condition: Condition, probe: Probe) -> None:
        try:
            reason = probe()
        except Exception as error:  # whatever it is, the condition is not met
            reason = f"{type(error).__name__}"
        ended.put((condition, reason, time.monotonic() - begin))

    running = {each for each in conditions if each.probe is not None}
    for each in conditions:
        if each.probe is not None:
            # A daemon: one that hangs is given up, and must not keep the process.
            Thread(target=run, args=(each, each.probe), daemon=True).start()
    yield from _run_checks(conditions, timeout_seconds, environment)
    while running:
        left = begin + timeout_seconds + GRACE_SECONDS - time.monotonic()
        try:
            condition, reason, seconds = ended.get(timeout=max(left, 0.0))
        except Empty:
            break
        running.discard(condition)
        condition.reason = reason
        yield condition, seconds
    for condition in running:
        condition.reason = f"no answer for {timeout_seconds:g} s"
        yield condition, time.monotonic() - begin


def _run_checks(
    conditions: Sequence[Condition], timeout_seconds: float, environment: Mapping[str, str]
) -> Iterator[tuple[Condition, float]]:
    by_check = {each.check: each for each in conditions if each.check is not None}
    with closing(
        run_checks(
            by_check,
            timeout=timeout_seconds,
            jobs=MAX_PARALLEL_CHECKS,
            environment=environment,
        )
    ) as results:
        for result in results:
            condition = by_check[result.check]
            condition.reason = None if result.ok else _failure(result)
            yield condition, result.seconds


def _failure(result: CheckResult) -> str:
    how = {"timeout": "timed out", "start-failed": "can't be started"}.get(result.reason)
    if how is None and result.exit_code is None:
        how = f"killed by {result.signal}"
    elif how is None:
        how = f"exit code {result.exit_code}"
    output = (result.stderr.strip() or result.stdout.strip())[-MAX_OUTPUT_SHOWN_CHARACTERS:]
    return f"{how}: {output}" if output else how


def _unit_probe(name: str) -> Probe:
    def probe() -> str | None:
        code, state = systemctl("is-active", name)
        return None if code == 0 else f"it is {state or 'not active'}"

    return probe


def _http_probe(document: HttpProbeDocument, timeout_seconds: float) -> Probe:
    def probe() -> str | None:
        from provisioner.applying.http_probe import probe_http

        return probe_http(document, timeout_seconds)

    return probe
