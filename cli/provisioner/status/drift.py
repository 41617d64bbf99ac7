"""Finds all differences between the host and the applied run.

They are found by packager's own means: the records of the packages, the document of the active
generation, what was recorded as done on the host, and systemd. Nothing is changed, no lock is
taken, and the network is not used.
"""

from __future__ import annotations

from packager.api import active_generation, has_tree, split_id, translated
from packager.base.errors import DataError

from provisioner.status.difference import (
    AS_ADDED,
    AS_MADE,
    CONFIGURATION,
    FILE,
    LINK,
    PACKAGE,
    ROLES,
    SET,
    UNIT_FILE,
    UNREAD,
    Difference,
)
from provisioner.status.host_drift import host_differences

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from packager.api import Generation, HostOptions
    from packager.base.events import Field

    from provisioner.runs.run import Run


def find_differences(root: str, run: Run, options: HostOptions, *, quick: bool) -> list[Difference]:
    """Everything in which the host differs from `run`, and (UNREAD) what of it could not be looked
    at. quick: files that were not touched since they were added are not read. Raises
    PackagerError."""
    try:
        with translated(root):
            active = active_generation(root)
    except DataError as error:
        return [Difference(LINK, "active", AS_MADE, str(error))]
    installed = [each for each in run.packages if has_tree(root, each)]
    found = [*_set_differences(run, active), *_role_differences(run, active)]
    found += [
        Difference(PACKAGE, each, AS_ADDED, None, each)
        for each in run.packages
        if each not in installed
    ]
    found += _content_differences(root, run, installed, quick=quick)
    # That a package is missing is reported once, and not again for every link to it.
    missing = {split_id(each.subject)[0] for each in found if each.kind == PACKAGE}
    found = [each for each in found if each.kind != LINK or each.subject not in missing]
    if active is not None:
        found += host_differences(root, active, options)
    return found


def host_role_differences(run: Run, options: HostOptions) -> list[Difference]:
    """Whether other roles are set for the host than when `run` began; for a profile that names none
    itself. Raises OSError."""
    roles = options.roles()
    if roles == run.roles:
        return []
    return [Difference(ROLES, "host", _listed(run.roles), _listed(roles))]


def _set_differences(run: Run, active: Generation | None) -> Iterator[Difference]:
    expected = {split_id(each)[0]: each for each in run.packages}
    found = active.names if active is not None else {}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            yield Difference(SET, name, expected.get(name), found.get(name), expected.get(name))


def _role_differences(run: Run, active: Generation | None) -> Iterator[Difference]:
    if active is not None and active.roles != run.roles:
        yield Difference(ROLES, "active", _listed(run.roles), _listed(active.roles))


def _listed(roles: tuple[str, ...]) -> str:
    return ", ".join(roles) or "none"


def _content_differences(root: str, run: Run, ids: list[str], *, quick: bool) -> list[Difference]:
    """In the files of the packages, the active generation, the unit files on the host."""
    found: list[Difference] = []
    if not ids:  # without ids, verify would read all packages of the store
        from packager.api import check_active_generation

        checked = check_active_generation(root)
        for each in checked[1] if checked is not None else ():
            found.append(_from_verification(run, None, each.path, each.reason, each.kind))
        return found
    from packager.api import verify

    def collect(event: str, /, **fields: Field) -> None:
        if event == "difference":
            package_id = None if fields.get("id") is None else str(fields["id"])
            words = (str(fields[name]) for name in ("path", "reason", "kind"))
            found.append(_from_verification(run, package_id, *words))

    verify(root, ids, collect, active=True, quick=quick)
    if run.configuration_id in ids and any(each.kind == LINK for each in found):
        _attribute_links(root, run.configuration_id, run.roles, found)
    return found


def _from_verification(
    run: Run, package_id: str | None, path: str, reason: str, how: str
) -> Difference:
    """A difference that packager has found: a path in a package, in the active generation (None),
    or on the host (None and absolute)."""
    from packager.api import FOREIGN, MISSING
    from packager.api import UNREAD as UNREAD_PATH

    if how == UNREAD_PATH:
        return Difference(UNREAD, path or package_id or "active", None, reason, package_id)
    kind, subject, expected = LINK, path or "active", AS_MADE
    if package_id is not None:
        kind, subject, expected = FILE, path, AS_ADDED
        if not path:
            kind, subject = PACKAGE, package_id
        elif package_id == run.configuration_id:
            kind = CONFIGURATION
    elif path.startswith("/"):
        kind = UNIT_FILE
    if how == MISSING:
        return Difference(kind, subject, expected, None, package_id)
    return Difference(kind, subject, None if how == FOREIGN else expected, reason, package_id)


def _attribute_links(
    root: str, configuration_id: str, roles: tuple[str, ...], found: list[Difference]
) -> None:
    """Links that lead to the configuration are configuration: many editors, asked to change what a
    link leads to, put a file in the place of the link."""
    from packager.api import publish, read_record
    from packager.base.errors import PackagerError

    try:
        links = publish(configuration_id, read_record(root, configuration_id)[1], roles).links
    except PackagerError:
        return  # the damaged record is a difference of its own
    for each in found:
        if each.kind == LINK and each.subject in links:
            each.kind, each.package = CONFIGURATION, configuration_id
