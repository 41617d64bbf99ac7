"""`packager import-pkgpanda`: a host that pkgpanda manages is taken over."""

from __future__ import annotations

import os

from packager.activation import pkgpanda_import
from packager.activation.activate import activate
from packager.activation.planning import Request
from packager.base.errors import Conflict
from packager.cli import output
from packager.cli.progress import Quiet, listener, listening
from packager.commands.set_requests import parse_roles
from packager.generations.document import active_generation
from packager.host.context import Context
from packager.host.options import HostOptions
from packager.store.store import Store
from packager.store.translation import translated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

    from packager.activation.pkgpanda_import import Found
    from packager.host.options import HostOptionValues


def run(
    *,
    root: str,
    source: str,
    repository: str | None,
    only_active: bool,
    dry_run: bool,
    roles: str | None,
    output_format: str,
    **host: Unpack[HostOptionValues],
) -> int:
    """Import; raises PackagerError, OutputFailed, Stopped."""
    options = HostOptions(**host)
    source = os.path.abspath(source)  # noqa: PTH100
    with translated(source):
        found = pkgpanda_import.look(source, repository)
        known = options.roles() if roles is None else parse_roles(roles) or ()
    with translated(root):
        if active_generation(root) is not None:
            raise Conflict(f"something is active in {root} already: give another --root")
    if dry_run:
        _report(found, known, None, [], {}, output_format)
        return 0
    with listening(listener(output_format)) as emit:
        _carry_out(root, found, known, only_active, options, output_format, emit)
    return 0


def _carry_out(
    root: str,
    found: Found,
    roles: tuple[str, ...],
    only_active: bool,
    options: HostOptions,
    output_format: str,
    emit: Quiet,
) -> None:
    for name, reason in found.left_out.items():
        emit("warning", message=f"{name} is left out: {reason}")
    store = Store(root)
    added, refused = pkgpanda_import.import_all(store, found, emit, only_active=only_active)
    options = options.replace(no_systemd=True)  # what runs goes on running
    context = Context(store.root, 1, None, options)
    with translated(store.root):
        done = pkgpanda_import.done_on_host(store, found.active, roles, context, emit)
    plan = None
    if found.active:
        request = Request("activate", found.active, roles=roles, options=options, adopting=done)
        plan = activate(store.root, request, emit)
    number = plan.target.number if plan is not None else None
    if output_format == "ndjson":
        emit("activated", generation=number, changed=True, packages=len(found.active))
    else:
        _report(found, roles, number, added, refused, output_format)


def _report(
    found: Found,
    roles: tuple[str, ...],
    generation: int | None,
    added: list[str],
    refused: dict[str, str],
    output_format: str,
) -> None:
    left_out = {**found.left_out, **refused}
    if output_format != "table":
        output.json_line(
            {
                "generation": generation,
                "roles": roles,
                "active": found.active,
                "packages": [each for each in found.packages if each not in refused],
                "added": added,
                "left_out": [{"name": n, "reason": why} for n, why in left_out.items()],
            }
        )
        return
    made = "nothing was changed" if generation is None else f"generation {generation}"
    output.fields(
        [
            ("packages", f"{len(found.packages) - len(refused)} ({len(added)} added)"),
            ("left out", str(len(left_out))),
            ("active", "\n".join(found.active) or "none"),
            ("roles", ", ".join(roles) or "none"),
            ("made", made),
        ]
    )
