"""`provisioner stage`: all of an apply that can be done beforehand."""

from __future__ import annotations

import os

from packager.cli import output
from packager.cli.progress import listening

from provisioner.applying.request import ApplyRequest
from provisioner.applying.stage import stage
from provisioner.base.command_options import CommandOptions
from provisioner.base.rollout_caller import RolloutCaller
from provisioner.cli.progress import listener
from provisioner.desired.requested_profile import load_requested_profile
from provisioner.runs.rollout_book import RolloutRequest, bind_revision, check_caller
from provisioner.runs.writer import locked_runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from provisioner.base.command_options import CommandOptionValues


def run(
    *,
    root: str,
    sources: Sequence[str],
    sha256: str | None,
    output_format: str,
    revision: str | None,
    rollout: str | None,
    fence: int | None,
    holder: str | None,
    **values: Unpack[CommandOptionValues],
) -> int:
    """Fetch, verify and render; nothing of the host changes. Raises PackagerError, OutputFailed,
    Stopped."""
    root = os.path.abspath(root)  # noqa: PTH100
    options = CommandOptions(**values)
    caller = RolloutCaller(rollout=rollout, revision=revision, fence=fence, holder=holder)
    with listening(listener(output_format)) as emit:
        requested = load_requested_profile(root, sources, sha256, options, emit)
        with locked_runs(root) as writer:
            check_caller(root, caller)
            digest = requested.digest(writer.digest_key())
            bind_revision(root, caller, digest)
            request = ApplyRequest(requested.profile, digest, caller, RolloutRequest())
            packages = stage(root, request, writer, options, emit)
        name = requested.profile.name
        if output_format == "ndjson":
            emit("staged", profile=name, packages=len(packages))
        elif output_format == "json":
            output.json_line({"profile": name, "packages": packages})
        else:
            output.line(f"all that {name} needs is in the store; nothing was changed")
    return 0
