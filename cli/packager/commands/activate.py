"""`packager activate`, `swap`, `deactivate`, `rollback`: another set of packages becomes active."""

from __future__ import annotations

from packager.activation.activate import activate as carry_out
from packager.activation.activate import planned
from packager.activation.planning import Plan, Request
from packager.cli import output
from packager.cli.progress import Quiet, listener, listening
from packager.commands.set_requests import parse_roles, rollback_request
from packager.host.options import HostOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from packager.host.options import HostOptionValues


def activate(
    *,
    root: str,
    words: Sequence[str],
    add: bool,
    roles: str | None,
    dry_run: bool,
    output_format: str,
    **host: Unpack[HostOptionValues],
) -> int:
    """Activate these ids; raises PackagerError, OutputFailed, Stopped."""
    request = Request(
        "activate", words, add=add, roles=parse_roles(roles), options=HostOptions(**host)
    )
    return _run(root, request, dry_run, output_format)


def swap(
    *,
    root: str,
    package_id: str,
    roles: str | None,
    dry_run: bool,
    output_format: str,
    **host: Unpack[HostOptionValues],
) -> int:
    """Activate another version of one package; raises PackagerError, OutputFailed, Stopped."""
    request = Request("swap", [package_id], roles=parse_roles(roles), options=HostOptions(**host))
    return _run(root, request, dry_run, output_format)


def deactivate(
    *,
    root: str,
    words: Sequence[str],
    roles: str | None,
    dry_run: bool,
    output_format: str,
    **host: Unpack[HostOptionValues],
) -> int:
    """Take packages out of the active set; raises PackagerError, OutputFailed, Stopped."""
    request = Request("deactivate", words, roles=parse_roles(roles), options=HostOptions(**host))
    return _run(root, request, dry_run, output_format)


def rollback(
    *,
    root: str,
    numbers: Sequence[int],
    dry_run: bool,
    output_format: str,
    **host: Unpack[HostOptionValues],
) -> int:
    """Go back to a generation; raises PackagerError, OutputFailed, Stopped."""
    return _run(root, rollback_request(numbers, HostOptions(**host)), dry_run, output_format)


def _run(root: str, request: Request, dry_run: bool, output_format: str) -> int:
    if dry_run:
        from packager.commands.plan import show

        show(planned(root, request), output_format)
        return 0
    with listening(listener(output_format)) as emit:
        plan = carry_out(root, request, emit)
        _report(plan, request.action, output_format, emit)
    return 0


def _report(plan: Plan, action: str, output_format: str, emit: Quiet) -> None:
    number, count = plan.target.number, len(plan.target.packages)
    if output_format == "ndjson":
        emit("activated", generation=number, changed=plan.changed, packages=count)
    elif output_format == "json":
        document = {"generation": number, "changed": plan.changed}
        output.json_line({**document, "packages": list(plan.target.packages)})
    elif plan.switches:
        did = "went back to" if action == "rollback" else "activated"
        output.line(f"{did} generation {number} ({output.plural(count, 'package')})")
    elif plan.changed:
        output.line(f"generation {number} was active already; the host was brought to it")
    else:
        output.line(f"generation {number} was active already; nothing was changed")
