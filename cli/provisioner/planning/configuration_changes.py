"""What changes in the configuration: its files, and the units to restart for that."""

from __future__ import annotations

from packager.api import FILE, PKGINFO, decode_entries, read_record, translated
from packager.base.digest import sha256
from packager.base.errors import DataError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packager.api import Entry

    from provisioner.desired.configuration import Configuration, ConfigurationFile
    from provisioner.desired.desired_state import DesiredState
    from provisioner.runs.run import Run


def active_configuration_files(root: str, desired: DesiredState) -> list[Entry]:
    """The files of the configuration that is active now, without the package's own. Raises
    PackagerError."""
    package_id = desired.active_configuration_id
    if package_id is None:
        return []
    with translated(root):
        try:
            entries = decode_entries(read_record(root, package_id)[1], package_id)
        except (NotFound, DataError):
            return []  # the record is lost or damaged: all files count as new
    return [each for each in entries if each.kind == FILE and each.path != PKGINFO]


def is_same_file(entry: Entry, file: ConfigurationFile) -> bool:
    """Whether an active file is what it is to be. Pure."""
    return entry.mode == file.mode and entry.sha256 == sha256(file.content)


def restarts_of_applied(applied: Run | None) -> dict[str, Sequence[str]]:
    """Which units the applied profile restarts for which file: paths to units. Raises as
    `Run.profile`."""
    if applied is None:
        return {}
    return {each["path"]: each.get("restart", []) for each in applied.profile().files}


def units_to_restart(
    active: Iterable[Entry], desired: Configuration, applied_restarts: Mapping[str, Sequence[str]]
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
