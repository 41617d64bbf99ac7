"""`provisioner plan`: what an apply would do, and why."""

from __future__ import annotations

import os

from packager.cli import output

from provisioner.base.command_options import CommandOptions
from provisioner.base.keyed_digest import KEY_BYTES
from provisioner.cli.plan_table import show_plan
from provisioner.cli.progress import listener
from provisioner.desired.desired_state import DesiredStateResolver
from provisioner.desired.requested_profile import load_requested_profile
from provisioner.planning.activation_plan import plan_activation
from provisioner.planning.plan_document import plan_document
from provisioner.profile.secret_values import suspicious_values
from provisioner.runs import reader
from provisioner.status.difference import UNREAD
from provisioner.status.drift import find_differences

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from provisioner.base.command_options import CommandOptionValues
    from provisioner.desired.desired_state import DesiredState
    from provisioner.runs.run import Run
    from provisioner.status.difference import Difference


WOULD_CHANGE = 2  # as of `terraform plan -detailed-exitcode`


def run(
    *,
    root: str,
    sources: Sequence[str],
    sha256: str | None,
    exit_code: bool,
    output_format: str,
    **values: Unpack[CommandOptionValues],
) -> int:
    """Show a plan; raises PackagerError, OutputFailed."""
    root = os.path.abspath(root)  # noqa: PTH100
    options = CommandOptions(**values)
    with listener("table") as emit:
        requested = load_requested_profile(root, sources, sha256, options, emit)
        profile = requested.profile
        for place in suspicious_values(profile.values):
            words = "may be a secret: plans show it, and everybody may read files that have it"
            emit("warning", message=f"configuration.{place} {words}; secrets keeps it from both")
        # A random key will do where there is none yet: there are no digests to compare with.
        key = (reader.digest_key(root) if profile.secrets else None) or os.urandom(KEY_BYTES)
        desired = DesiredStateResolver(root, profile, options, key=key, emit=emit).resolve()
    is_complete = not desired.missing and not desired.configuration.unknown
    activation = plan_activation(root, desired, options.host) if is_complete else None
    applied, pending = reader.applied_run(root), reader.pending_run(root)
    differences = _differences_to_repair(root, applied, desired, options)
    document = plan_document(root, desired, activation, differences, applied, pending)
    document["layers"] = requested.layers
    if output_format == "json":
        output.json_line(document)
    elif not document["changed"]:
        output.line(f"the host is as {profile.name} says; nothing would be changed")
    else:
        show_plan(document)
    return WOULD_CHANGE if exit_code and document["changed"] else 0


def _differences_to_repair(
    root: str, applied: Run | None, desired: DesiredState, options: CommandOptions
) -> list[Difference]:
    """The differences from the applied run that the desired state does not replace anyway."""
    if applied is None:
        return []
    packages = set(desired.all_packages)
    found = find_differences(root, applied, options.host, quick=options.quick)
    return [
        each
        for each in found
        if each.kind != UNREAD and (each.package is None or each.package in packages)
    ]
