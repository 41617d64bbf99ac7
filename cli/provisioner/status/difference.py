"""One way in which the host differs from the applied profile, and the kinds that there are."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    class DifferenceDocument(TypedDict):
        """A difference as JSON has it."""

        kind: str
        subject: str
        package: str | None
        expected: str | None
        found: str | None
        reason: str


# Kinds of differences, each with what its subject is.
RUN = "run"  # a run's number: it was interrupted, or is under way
PROFILE = "profile"  # the profile's name: its last apply failed, and was kept
INPUT = "input"  # facts or secrets that the configuration was rendered with
SET = "set"  # a package's name: another version is active, or none, or it should not be
ROLES = "roles"  # "active": those of the active set; "host": those that are set for the host
PACKAGE = "package"  # an id: the package, or its record, is missing or damaged
FILE = "file"  # a path in a package
CONFIGURATION = "configuration"  # a path in the configuration, changed by hand
LINK = "link"  # a path in the active generation
UNIT_FILE = "unit-file"  # the path of a unit file that was placed on the host
UNIT = "unit"  # a unit that does not run, or runs as another version
USER, DIRECTORY, OWNER = "user", "directory", "owner"  # a user; paths of state directories
SETTING = "setting"  # a kernel setting
HOST = "host"  # what packages need and provisioner may not make
UNREAD = "unread"  # no difference: what could not be looked at, its path or what it is

KINDS = (
    *(RUN, PROFILE, INPUT, SET, ROLES, PACKAGE, FILE, CONFIGURATION, LINK),
    *(UNIT_FILE, UNIT, USER, DIRECTORY, OWNER, SETTING, HOST),
)

# What is expected of something that should be unchanged.
AS_ADDED = "as it was added"
AS_MADE = "as it was made"


class Difference:
    """expected, found: words for both; None: nothing is there. package: the id of the package that
    the subject belongs to, None if it belongs to none."""

    __slots__ = ("expected", "found", "kind", "package", "subject")

    def __init__(
        self,
        kind: str,
        subject: str,
        expected: str | None,
        found: str | None,
        package: str | None = None,
    ) -> None:
        self.kind = kind
        self.subject = subject
        self.expected = expected
        self.found = found
        self.package = package

    @property
    def reason(self) -> str:
        """What is wrong, in words."""
        if self.found is None:
            return "it is missing"
        if self.expected is None or self.expected in (AS_ADDED, AS_MADE):
            return self.found
        return f"{self.found}, not {self.expected}"

    def document(self) -> DifferenceDocument:
        """As JSON has it."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "package": self.package,
            "expected": self.expected,
            "found": self.found,
            "reason": self.reason,
        }
