"""The profile that describes a host of pkgpanda: its roles, repository, packages and values.

The packages are those of the active set, whatever was configured. The late-bound package (see
`late_bound_template`) is one of them like any other; if its template is at hand, it becomes files
of the profile's configuration, and the bound values are theirs.
"""

from __future__ import annotations

from packager.base.errors import NotFound

from provisioner.pkgpanda.late_bound_template import profile_files
from provisioner.profile.secret_values import may_be_secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from provisioner.pkgpanda.late_bound_template import TemplateFile
    from provisioner.pkgpanda.setup_flags import SetupFlags
    from provisioner.profile.documents import ConfigurationDocument, ProfileDocument


def export_profile(
    name: str,
    active: Sequence[str],
    roles: Sequence[str],
    flags: SetupFlags,
    *,
    secrets: Collection[str] = (),
    template: Sequence[TemplateFile] | None = None,
) -> ProfileDocument:
    """The profile. secrets: which of the bound values are secrets. template: that of the late-bound
    package, which the profile then renders in place of that package. Pure.

    Raises DataError for a template that uses a value that is not bound, NotFound for a secret that
    is none of the values.
    """
    for each in secrets:
        if each not in flags.values:
            raise NotFound(f"no value of the name {each!r} is bound; --secrets names some that are")
    made: ProfileDocument = {
        "profile": 1,
        "name": name,
        "description": _description(flags),
        "roles": list(roles),
    }
    if flags.url is not None and _is_known(flags.url):
        made["repositories"] = [
            {"name": "pkgpanda", "url": flags.url, "layout": "pkgpanda", "trust": "off"}
        ]
    made["packages"] = [each for each in active if template is None or each != flags.late_id]
    configuration: ConfigurationDocument = {}
    values = {key: value for key, value in flags.values.items() if key not in secrets}
    if values:
        configuration["values"] = values
    if secrets:
        configuration["secrets"] = {
            key: str(value) for key, value in flags.values.items() if key in secrets
        }
    if template:
        configuration["files"] = profile_files(template, flags.values, secrets)
    if configuration:
        made["configuration"] = configuration
    return made


def export_warnings(
    flags: SetupFlags, active: Sequence[str], secrets: Collection[str]
) -> list[str]:
    """What the profile does not say and its reader should know. Pure."""
    found = []
    if flags.url is not None and not _is_known(flags.url):
        found.append(f"the repository {flags.url} is left out: only http, https and file are known")
    if flags.active is not None:
        late = [flags.late_id] if flags.late_id else []
        if sorted({*flags.active, *late}) != sorted(active):
            found.append("active.json has other packages than the active set, which counts")
    if flags.late_id is not None and flags.late_id not in active:
        found.append(f"the late-bound package {flags.late_id} is not active; its values are kept")
    found += [
        f"the value {name} may be a secret; --secrets={name} makes it one"
        for name in flags.values
        if name not in secrets and may_be_secret(name)
    ]
    return found


def profile_name(host: str) -> str:
    """A host's name as that of a profile. Pure."""
    found = "".join(
        character if character.isascii() and character.isalnum() else "-"
        for character in host.partition(".")[0].lower()
    )
    return "-".join(part for part in found.split("-") if part)[:64].strip("-") or "host"


def _is_known(url: str) -> bool:
    return url.startswith(("http://", "https://", "file:///"))


def _description(flags: SetupFlags) -> str:
    words = "taken over from pkgpanda"
    return f"{words}, package list {flags.package_list}" if flags.package_list else words
