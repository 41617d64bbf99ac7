"""`provisioner apply`: the host is brought to the state that a profile describes."""

from __future__ import annotations

import os

from packager.base.errors import Temporary

from provisioner.applying.request import APPLY, ApplyRequest, ApplyResult
from provisioner.base.command_options import CommandOptions
from provisioner.base.rollout_caller import RolloutCaller
from provisioner.cli.apply_report import run_and_report
from provisioner.desired.requested_profile import load_requested_profile
from provisioner.runs import reader
from provisioner.runs.rollout_book import bind_revision, recorded_request
from provisioner.runs.run import APPLIED
from provisioner.runs.writer import locked_runs
from provisioner.status.up_to_date import is_up_to_date

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from packager.base.events import Emit

    from provisioner.base.command_options import CommandOptionValues
    from provisioner.runs.run import Run
    from provisioner.runs.writer import RunWriter


def run(
    *,
    root: str,
    sources: Sequence[str],
    sha256: str | None,
    output_format: str,
    revision: str | None,
    rollout: str | None,
    attempt: int | None,
    fence: int | None,
    holder: str | None,
    **values: Unpack[CommandOptionValues],
) -> int:
    """Apply a profile; raises PackagerError, OutputFailed, Stopped."""
    root = os.path.abspath(root)  # noqa: PTH100
    options = CommandOptions(**values)
    caller = RolloutCaller(
        rollout=rollout, revision=revision, attempt=attempt, fence=fence, holder=holder
    )

    def work(emit: Emit) -> ApplyResult:
        requested = None
        if rollout is None:  # what is wrong with it is said without waiting for another apply
            requested = load_requested_profile(root, sources, sha256, options, emit)
        with locked_runs(root) as writer, recorded_request(root, APPLY, caller) as kept:
            if not sources:
                _refuse_anothers_run(root, caller)
            if not sources or requested is None:  # another apply may have ended meanwhile
                requested = load_requested_profile(root, sources, sha256, options, emit)
            digest = requested.digest(writer.digest_key())
            bind_revision(root, caller, digest)
            request = ApplyRequest(requested.profile, digest, caller, kept)
            return _apply(root, request, writer, options, emit)

    return run_and_report(work, output_format)


def _refuse_anothers_run(root: str, caller: RolloutCaller) -> None:
    """Who names no profile, such as a timer, does not go on with what a rollout has begun."""
    pending = reader.pending_run(root)
    whose = None if pending is None else pending.record.get("rollout")
    if pending is not None and whose is not None and whose != caller.rollout:
        raise Temporary(
            f"run {pending.number} of rollout {whose} was interrupted, and its controller goes on "
            "with it ('rollout resume'); name a PROFILE to apply that all the same"
        )


def _apply(
    root: str, request: ApplyRequest, writer: RunWriter, options: CommandOptions, emit: Emit
) -> ApplyResult:
    """Apply the profile, unless there is nothing to do; for a rollout that is a run, too."""
    key = writer.digest_key()
    applied = reader.applied_run(root)
    if applied is not None and _has_nothing_to_do(root, request, applied, key, options, emit):
        if request.caller.rollout is not None:
            from provisioner.applying.run_start import unchanged_start

            start = unchanged_start(request, applied)
            applied = writer.begin(request.profile, start)
            request.kept.run = applied.number
            writer.finish(applied, APPLIED, None, applied=True)
        return ApplyResult(applied, changed=False)
    from provisioner.applying.apply import apply

    return apply(root, request, writer, options, emit)


def _has_nothing_to_do(
    root: str,
    request: ApplyRequest,
    applied: Run,
    key: bytes,
    options: CommandOptions,
    emit: Emit,
) -> bool:
    return (
        applied.profile_digest == request.digest
        and not options.upgrade
        and reader.pending_run(root) is None
        and is_up_to_date(root, applied, key, options, emit)
    )
