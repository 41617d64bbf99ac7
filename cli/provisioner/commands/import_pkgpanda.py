"""`provisioner import-pkgpanda`: the profile that describes a host of pkgpanda's as it is."""

from __future__ import annotations

import json
import os

from packager.activation import pkgpanda_import as host
from packager.base.byte_output import encode
from packager.base.errors import NotFound
from packager.cli import output
from packager.host.options import HostOptions
from packager.store.write_session import translated

from provisioner.profile import pkgpanda_export
from provisioner.profile.validation import validate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

    from packager.host.options import HostOptionValues


def run(
    *,
    root: str,  # noqa: ARG001 - every command takes a root
    source: str,
    repository: str | None,
    name: str | None,
    secrets: str | None,
    late_package: str | None,
    **values: Unpack[HostOptionValues],
) -> int:
    """Write the profile; raises PackagerError, OutputFailed."""
    options = HostOptions(**values)
    source = os.path.abspath(source)  # noqa: PTH100
    with translated(source):
        pkgpanda_export.refuse_unfinished(source)
        found = host.look(source, repository)
        roles = options.roles()
    if not found.active:
        raise NotFound(f"{source}: no package is active, so there is nothing to describe")
    flags = pkgpanda_export.read_flags(options.config_dirs)
    hidden = [each for each in (secrets or "").split(",") if each]
    late = pkgpanda_export.template(late_package) if late_package is not None else None
    if late is not None and flags.late_id not in found.active:
        raise NotFound("--late-package: no late-bound package is active on this host")
    document = pkgpanda_export.document(
        *(name or pkgpanda_export.profile_name(os.uname().nodename), found.active, roles, flags),
        secrets=hidden,
        late=late,
    )
    validate(document, "the profile of this host")
    for words in pkgpanda_export.warnings(flags, found.active, hidden):
        output.complain(f"warning: {words}")
    output.write(encode(json.dumps(document, indent=2, ensure_ascii=False) + "\n"))
    return 0
