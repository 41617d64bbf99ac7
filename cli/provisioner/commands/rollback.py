"""`provisioner rollback`: back to the profile of an earlier run."""

from __future__ import annotations

import os

from packager.base.errors import NotFound, UsageError

from provisioner.applying.apply import apply
from provisioner.applying.request import ROLLBACK, ApplyRequest, ApplyResult
from provisioner.base.command_options import CommandOptions
from provisioner.base.rollout_caller import RolloutCaller
from provisioner.cli.apply_report import run_and_report
from provisioner.runs import reader
from provisioner.runs.rollout_book import recorded_request
from provisioner.runs.writer import locked_runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from packager.base.events import Emit

    from provisioner.base.command_options import CommandOptionValues
    from provisioner.runs.run import Run


def run(
    *,
    root: str,
    numbers: Sequence[int],
    output_format: str,
    rollout: str | None,
    attempt: int | None,
    fence: int | None,
    holder: str | None,
    **values: Unpack[CommandOptionValues],
) -> int:
    """Go back; raises PackagerError, OutputFailed, Stopped."""
    root = os.path.abspath(root)  # noqa: PTH100
    if len(numbers) > 1:
        raise UsageError("rollback goes back to one run; give one number")
    options = CommandOptions(**values)
    caller = RolloutCaller(rollout=rollout, attempt=attempt, fence=fence, holder=holder)

    def work(emit: Emit) -> ApplyResult:
        if rollout is None:
            _target_run(root, numbers)  # before the store is locked, or even made
        with locked_runs(root) as writer, recorded_request(root, ROLLBACK, caller) as kept:
            target = _target_run(root, numbers)  # another apply may have ended meanwhile
            profile, digest = target.profile(), target.profile_digest
            request = ApplyRequest(profile, digest, caller, kept, rollback_to=target)
            return apply(root, request, writer, options, emit)

    return run_and_report(work, output_format)


def _target_run(root: str, numbers: Sequence[int]) -> Run:
    if numbers:
        return reader.read_run(root, numbers[0])
    applied = reader.applied_run(root)
    if applied is None:
        raise NotFound(f"no profile was applied to {root} yet, so there is nothing to go back from")
    if applied.previous is None:
        raise NotFound(f"run {applied.number} has no other profile before it")
    return reader.read_run(root, applied.previous)
