"""The document of a plan, as types (`provisioner plan --format=json`). For type checkers alone:
nothing imports this when a command runs.
"""

from __future__ import annotations

from typing import TypedDict

from packager.api import HostPlan

from provisioner.status.difference import DifferenceDocument

# `from` is a keyword, so these can't be classes.
RoleChange = TypedDict("RoleChange", {"from": list[str], "to": list[str]})
PackageSwap = TypedDict("PackageSwap", {"name": str, "from": str, "to": str})
ConfigurationChange = TypedDict(
    "ConfigurationChange", {"from": str | None, "to": str | None, "files": list["FileChange"]}
)


class FetchDocument(TypedDict):
    """A package to be downloaded. size: bytes."""

    id: str
    repository: str
    size: int | None
    verified: bool


class PackageChanges(TypedDict):
    activate: list[str]
    deactivate: list[str]
    swap: list[PackageSwap]


class FileChange(TypedDict):
    """change: add, change, remove, unknown. diff: a unified one, None if the file is secret or too
    large. mode: octal digits, owners: {"user", "group"}, None if they stay."""

    path: str
    change: str
    secret: bool
    diff: str | None
    reason: str | None
    mode: str | None
    owners: dict[str, str] | None


class EditDocument(TypedDict):
    """A file of the configuration that somebody has edited, and that will not be in use any more.
    of: its package, or "generation-N". place: where it stays, None: it is kept aside."""

    of: str
    path: str
    place: str | None


class HealthSummary(TypedDict):
    """http: URLs without their secrets."""

    checks: bool
    units: list[str]
    http: list[str]


class PlanDocument(TypedDict):
    """environment, edited (as in packager's plan) and host are None while packages are missing.
    takes_over: the name of the applied profile, if it is another one. layers: the paths of the
    profiles that this one is laid over, the lowest first."""

    changed: bool
    profile: str
    takes_over: str | None
    layers: list[str]
    applied: int | None
    interrupted: int | None
    fetch: list[FetchDocument]
    packages: PackageChanges
    roles: RoleChange
    configuration: ConfigurationChange
    restart: list[str]
    repair: list[DifferenceDocument]
    environment: object
    edited: list[EditDocument] | None
    host: HostPlan | None
    health: HealthSummary
    on_failure: str
