"""`provisioner apply`: the host is brought to the state that a profile describes."""

from __future__ import annotations

import os

from provisioner.applying.request import ApplyRequest, ApplyResult
from provisioner.base.command_options import CommandOptions
from provisioner.cli.apply_report import run_and_report
from provisioner.desired.requested_profile import RequestedProfile, load_requested_profile
from provisioner.runs import reader
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
    **values: Unpack[CommandOptionValues],
) -> int:
    """Apply a profile; raises PackagerError, OutputFailed, Stopped."""
    root = os.path.abspath(root)  # noqa: PTH100
    options = CommandOptions(**values)

    def work(emit: Emit) -> ApplyResult:
        requested = load_requested_profile(root, sources, sha256, options, emit)
        with locked_runs(root) as writer:
            if not sources:  # another apply may have ended while this one waited for the lock
                requested = load_requested_profile(root, sources, sha256, options, emit)
            return _apply(root, requested, writer, options, emit)

    return run_and_report(work, output_format)


def _apply(
    root: str, requested: RequestedProfile, writer: RunWriter, options: CommandOptions, emit: Emit
) -> ApplyResult:
    """Apply the profile, unless there is nothing to do."""
    key = writer.digest_key()
    applied = reader.applied_run(root)
    if applied is not None and _has_nothing_to_do(root, requested, applied, key, options, emit):
        return ApplyResult(applied, changed=False)
    from provisioner.applying.apply import apply

    request = ApplyRequest(requested.profile, requested.digest(key))
    return apply(root, request, writer, options, emit)


def _has_nothing_to_do(
    root: str,
    requested: RequestedProfile,
    applied: Run,
    key: bytes,
    options: CommandOptions,
    emit: Emit,
) -> bool:
    return (
        applied.profile_digest == requested.digest(key)
        and not options.upgrade
        and reader.pending_run(root) is None
        and is_up_to_date(root, applied, key, options, emit)
    )
