"""`provisioner import-pkgpanda`: the profile that describes a host of pkgpanda as it is."""

from __future__ import annotations

import json
import os

from packager.api import HostOptions, look_at_pkgpanda, translated
from packager.base.byte_output import encode
from packager.base.durable_files import replace_file_in
from packager.base.errors import NotFound
from packager.cli import output

from provisioner.pkgpanda.late_bound_template import read_template
from provisioner.pkgpanda.profile_export import export_profile, export_warnings, profile_name
from provisioner.pkgpanda.setup_flags import read_setup_flags, refuse_unfinished_setup
from provisioner.profile.validation import validate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

    from packager.api import HostOptionValues

PRIVATE_MODE = 0o600


def run(
    *,
    root: str,  # noqa: ARG001 - every command takes a root
    source: str,
    repository: str | None,
    name: str | None,
    secrets: str | None,
    late_package: str | None,
    output_path: str | None,
    **host: Unpack[HostOptionValues],
) -> int:
    """Write the profile; raises PackagerError, OutputFailed."""
    options = HostOptions(**host)
    source = os.path.abspath(source)  # noqa: PTH100
    with translated(source):
        refuse_unfinished_setup(source)
        found = look_at_pkgpanda(source, repository)
        roles = options.roles()
    if not found.active:
        raise NotFound(f"{source}: no package is active, so there is nothing to describe")
    flags = read_setup_flags(options.config_dirs)
    secret_names = [each for each in (secrets or "").split(",") if each]
    template = read_template(late_package) if late_package is not None else None
    if template is not None and flags.late_id not in found.active:
        raise NotFound("--late-package: no late-bound package is active on this host")
    document = export_profile(
        *(name or profile_name(os.uname().nodename), found.active, roles, flags),
        secrets=secret_names,
        template=template,
    )
    validate({**document}, "the profile of this host")
    for message in export_warnings(flags, found.active, secret_names):
        output.complain(f"warning: {message}")
    content = encode(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    if output_path is None:
        output.write(content)
    else:
        _write_private_file(output_path, content)
    return 0


def _write_private_file(path: str, content: bytes) -> None:
    """The file, for its owner only: it may contain secrets. Raises NotFound, PackagerError."""
    directory, name = os.path.split(os.path.abspath(path))  # noqa: PTH100
    if not os.path.isdir(directory):  # noqa: PTH112
        raise NotFound(f"{directory}: there is no such directory")
    temporary = f".{name}.{os.getpid()}.new"
    with translated(path):
        replace_file_in(directory, name, content, temporary=temporary, mode=PRIVATE_MODE)
