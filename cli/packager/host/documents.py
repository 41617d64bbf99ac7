"""The documents of the host's side, as types: all are JSON-able. For type checkers alone.

Requirements    what the active packages ask of this host
AppliedState    what has been done for a set before: ROOT/host.json (see `applied_state`)
Observed        what is there: users, groups, directories
HostPlan        what is to be done: the difference of the three (see `host_plan.difference`)
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class UnitSource(TypedDict):
    """Where a unit file comes from: a package, a path in it, and the content's SHA-256. static:
    true if only other units start it."""

    package: str
    path: str
    sha256: str
    static: NotRequired[bool]


class RequiredUser(TypedDict):
    group: str | None
    package: str


class StateDirectory(TypedDict):
    """A directory of a package's own, and the user that all in it belongs to."""

    package: str
    user: str | None


class Requirements(TypedDict):
    units: dict[str, UnitSource]
    sysctl: dict[str, str]
    users: dict[str, RequiredUser]
    directories: dict[str, StateDirectory]


class OwnRestart(TypedDict):
    """The restart of a unit that ends the command which asks for it. invocation: systemd's id of
    what is ended, empty if that can't be told."""

    unit: str
    invocation: str


class UnitState(TypedDict, total=False):
    """sha256: of the file that was put in place, "" while that is being done, None when it was
    taken away and the unit could not be stopped. placed: while that is being done, of all files
    that may be there by our doing. started, starting: [package, sha256]. static: the target was
    not made to want it. masked: the host's administrator has masked it, so it was left alone.
    restarting: the command ran in this unit itself, and was about to restart it."""

    sha256: str | None
    placed: list[str]
    started: list[str] | None
    starting: list[str] | None
    static: bool
    masked: bool
    restarting: OwnRestart


class Prepared(TypedDict, total=False):
    """What an activation makes before it switches; generation: the one it is made for. files:
    those that are given to users that are made."""

    generation: int | None
    users: list[PlannedUser]
    directories: list[PlannedDirectory]
    files: list[PlannedFileOwner]


class AdoptedState(TypedDict, total=False):
    """What another manager has done on the host, and counts as applied once `generation` is
    active."""

    generation: int
    units: dict[str, dict[str, UnitState]]
    sysctl: dict[str, str]
    boot: str
    directories: dict[str, StateDirectory]


class AppliedState(TypedDict):
    """ROOT/host.json. units: by the directory they are placed in, then by name."""

    units: dict[str, dict[str, UnitState]]
    sysctl: dict[str, str]
    directories: dict[str, StateDirectory]
    boot: NotRequired[str]
    pending: NotRequired[Prepared]
    adopting: NotRequired[AdoptedState]
    enabling: NotRequired[bool]
    reloading: NotRequired[bool]


class Applied(TypedDict):
    """Of an `AppliedState` what counts now: units in the one directory, settings of this boot."""

    units: dict[str, UnitState]
    sysctl: dict[str, str]
    directories: dict[str, StateDirectory]


class ObservedUser(TypedDict):
    uid: int
    gid: int
    groups: list[str]


class Accounts(TypedDict):
    """What is not there is None. groups: names to their numbers."""

    users: dict[str, ObservedUser | None]
    groups: dict[str, int | None]


class Observed(Accounts):
    """directories: paths to their owners' names, None: not there. target: whether dcos.target is
    there. enabling, reloading: whether systemd has still to be told of it, or of unit files."""

    directories: dict[str, str | None]
    target: bool
    enabling: bool
    reloading: bool


class Placement(UnitSource):
    unit: str


class PlannedUser(RequiredUser):
    name: str


class PlannedDirectory(StateDirectory):
    path: str


class PlannedOwner(TypedDict):
    """A state directory that is there; `was`: whom it belongs to now, `user`: whom it should."""

    path: str
    package: str
    user: str
    was: str


class PlannedFileOwner(TypedDict):
    """A file of a package and whom it is to belong to; None: whoever has it. was: `user:group`."""

    path: str
    package: str
    user: str | None
    group: str | None
    was: str


class HostPlan(TypedDict, total=False):
    """See `host_plan.difference`; a key that would be empty is left out."""

    place: list[Placement]
    remove: list[str]
    edited: list[str]
    stop: list[str]
    restart: list[str]
    start: list[str]
    try_restart: list[str]
    idle: list[str]
    masked: list[str]
    reasons: dict[str, str]
    users: list[PlannedUser]
    directories: list[PlannedDirectory]
    owners: list[PlannedOwner]
    file_owners: list[PlannedFileOwner]
    sysctl: dict[str, str]
    wanted: dict[str, list[str]]
    target: bool
    adopt: bool
    reload: bool
    forget: list[str]
    withdraw: Prepared
