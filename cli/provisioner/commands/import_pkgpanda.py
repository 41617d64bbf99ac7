"""`provisioner import-pkgpanda`: the profile that describes a host of pkgpanda's as it is."""

from __future__ import annotations

import json
import os

from packager import hostapply, output
from packager import pkgpanda as host
from packager.errors import NotFound
from packager.session import translated

from provisioner import pkgpanda
from provisioner.validation import validate


def run(
    *,
    root: str,  # noqa: ARG001 - every command takes a root
    source: str,
    repository: str | None,
    name: str | None,
    secrets: str | None,
    late_package: str | None,
    **options: object,
) -> int:
    """Write the profile; raises PackagerError, OutputFailed."""
    source = os.path.abspath(source)  # noqa: PTH100
    with translated(source):
        pkgpanda.refuse_unfinished(source)
        found = host.look(source, repository)
        roles = hostapply.roles(options)
    if not found.active:
        raise NotFound(f"{source}: no package is active, so there is nothing to describe")
    flags = pkgpanda.read_flags(hostapply.config_dirs(options))
    hidden = [each for each in (secrets or "").split(",") if each]
    late = pkgpanda.template(late_package) if late_package is not None else None
    if late is not None and flags.late_id not in found.active:
        raise NotFound("--late-package: no late-bound package is active on this host")
    document = pkgpanda.document(
        *(name or pkgpanda.profile_name(os.uname().nodename), found.active, roles, flags),
        secrets=hidden,
        late=late,
    )
    validate(document, "the profile of this host")
    for words in pkgpanda.warnings(flags, found.active, hidden):
        output.complain(f"warning: {words}")
    output.write(output.encode(json.dumps(document, indent=2, ensure_ascii=False) + "\n"))
    return 0
