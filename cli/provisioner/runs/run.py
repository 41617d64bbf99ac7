"""One run of apply or rollback that has changed the host, as it is on the disk."""

from __future__ import annotations

import json

from packager.base.errors import DataError, from_os_error

from provisioner.base.core_dumps import forbid_core_dumps
from provisioner.profile.model import Profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from provisioner.profile.documents import ProfileDocument
    from provisioner.runs.documents import RunRecord

PROFILE_FILE = "profile.json"
RECORD_FILE = "record.json"

# Outcomes. A run has none until it has ended.
APPLIED = "applied"
UNHEALTHY = "unhealthy"  # the conditions are not met, and the set stays active
ROLLED_BACK = "rolled back"
FAILED = "failed"  # nothing has changed, or the set before is active still


class Run:
    """Its number, and its record; directory: where both its files are."""

    __slots__ = ("directory", "number", "record")

    def __init__(self, directory: str, number: int, record: RunRecord) -> None:
        self.directory = directory
        self.number = number
        self.record = record

    def profile(self) -> Profile:
        """Its profile. Raises DataError, Denied for who may not read it."""
        path = f"{self.directory}/{PROFILE_FILE}"
        forbid_core_dumps()
        content = _read(path)
        try:
            document: ProfileDocument = json.loads(content)
            if not isinstance(document, dict):
                raise ValueError
        except (ValueError, RecursionError):
            raise DataError(f"{path}: not the profile of a run") from None
        return Profile(document)

    @property
    def profile_name(self) -> str:
        return self.record["profile"]["name"]

    @property
    def profile_digest(self) -> str:
        """The keyed digest of the profile's bytes, in hex."""
        return self.record["profile"]["digest"]

    @property
    def outcome(self) -> str | None:
        return self.record["outcome"]

    @property
    def previous(self) -> int | None:
        """The number of the run to which `rollback` goes from this one."""
        return self.record["previous"]

    @property
    def packages(self) -> tuple[str, ...]:
        """The ids of its set, that of its configuration included."""
        return tuple(self.record["packages"])

    @property
    def configuration_id(self) -> str | None:
        """The id of the package that its configuration was rendered into, None if it has none."""
        return self.record["configuration"]

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(self.record["roles"])

    @property
    def generation_before(self) -> int | None:
        """The number of the generation to go back to; None: nothing was active."""
        return self.record["generation"]["before"]

    @property
    def generation_found(self) -> int | None:
        """The number of the generation that was active when it began: `generation_before`, or that
        of an interrupted run, whose conditions were never met."""
        return self.record["generation"]["found"]

    @property
    def generation_after(self) -> int | None:
        """The number of the generation that it made active, once it has."""
        return self.record["generation"]["after"]


def read_record(directory: str) -> RunRecord:
    """The record of the run in `directory`. Raises DataError, PackagerError for errno."""
    path = f"{directory}/{RECORD_FILE}"
    content = _read(path)
    try:
        record: RunRecord = json.loads(content)
        if not isinstance(record, dict):
            raise ValueError
    except (ValueError, RecursionError):
        raise DataError(f"{path}: not the record of a run") from None
    return record


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError as error:
        raise from_os_error(error, path) from error
