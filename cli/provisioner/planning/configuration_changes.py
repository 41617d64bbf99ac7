"""What changes in the configuration: its files, and the units to restart for that."""

from __future__ import annotations

from packager.api import FILE, PKGINFO, decode_entries, read_record, translated
from packager.base.cast import cast
from packager.base.digest import sha256
from packager.base.errors import DataError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packager.api import Entry

    from provisioner.desired.configuration import Configuration, ConfigurationFile
    from provisioner.desired.desired_state import DesiredState
    from provisioner.runs.run import Run


class ActiveFile:
    """A file of the configuration that is active. sha256: of its content. owners: whom it was given
    to, as pkginfo.json has it."""

    __slots__ = ("mode", "owners", "path", "sha256")

    def __init__(self, entry: Entry, owners: Mapping[str, str]) -> None:
        self.path = entry.path
        self.mode = entry.mode
        self.sha256 = entry.sha256
        self.owners = owners


def active_configuration_files(root: str, desired: DesiredState) -> list[ActiveFile]:
    """The files of the configuration that is active now, without the package's own. Raises
    PackagerError."""
    package_id = desired.active_configuration_id
    if package_id is None:
        return []
    with translated(root):
        try:
            record, content = read_record(root, package_id)
            entries = decode_entries(content, package_id)
        except (NotFound, DataError):
            return []  # the record is lost or damaged: all files count as new
    owners = cast("dict[str, dict[str, str]]", (record.pkginfo or {}).get("owners", {}))
    return [
        ActiveFile(each, owners.get(each.path, {}))
        for each in entries
        if each.kind == FILE and each.path != PKGINFO
    ]


def is_same_file(active: ActiveFile, file: ConfigurationFile) -> bool:
    """Whether an active file is what it is to be. Pure."""
    return (
        active.mode == file.mode
        and active.owners == file.owners
        and active.sha256 == sha256(file.content)
    )


def restarts_of_applied(applied: Run | None) -> dict[str, Sequence[str]]:
    """Which units the applied profile restarts for which file: paths to units. Raises as
    `Run.profile`."""
    if applied is None:
        return {}
    return {each["path"]: each.get("restart", []) for each in applied.profile().files}


def units_to_restart(
    active: Iterable[ActiveFile],
    desired: Configuration,
    applied_restarts: Mapping[str, Sequence[str]],
) -> list[str]:
    """The units to restart when the files `active` become those of `desired`, sorted.
    applied_restarts: for files that go (see `restarts_of_applied`). Pure."""
    before = {each.path: each for each in active}
    after = {each.path: each for each in desired.files}
    units: set[str] = set()
    for path, file in after.items():
        if path not in before or not is_same_file(before[path], file):
            units.update(file.restart)
    for path in before.keys() - after.keys():
        units.update(applied_restarts.get(path, ()))
    return sorted(units)
