"""A profile as JSON has it, as types; profile.schema.json says what is allowed. For type checkers
alone: nothing imports this when a command runs.
"""

from __future__ import annotations

from typing import Literal, NotRequired, Required, TypedDict


class SecretFile(TypedDict):
    """A secret that is kept in a file; the path is absolute."""

    file: str


Secret = str | SecretFile


class TemplateSource(TypedDict):
    """A template in a package: the package's name or id, and the path in it."""

    package: str
    path: str


# `from` is a keyword, so this can't be a class. Of template, content and from there is one.
FileDocument = TypedDict(
    "FileDocument",
    {
        "path": Required[str],
        "template": str,
        "content": str,
        "from": TemplateSource,
        "mode": str,
        "owner": str,
        "group": str,
        "restart": list[str],
    },
    total=False,
)


class ConfigurationDocument(TypedDict, total=False):
    values: dict[str, object]
    secrets: dict[str, Secret]
    files: list[FileDocument]


class HttpProbeDocument(TypedDict):
    url: str
    status: NotRequired[int]
    contains: NotRequired[str]
    redirects: NotRequired[bool]
    ca: NotRequired[str | Literal[False]]


class HealthDocument(TypedDict, total=False):
    """timeout and interval are seconds."""

    checks: bool
    units: list[str]
    http: list[HttpProbeDocument]
    timeout: float
    retries: int
    interval: float


class ProfileDocument(TypedDict, total=False):
    profile: Required[int]
    name: Required[str]
    description: str
    include: list[str]
    roles: list[str]
    repositories: list[dict[str, object]]
    packages: list[str]
    configuration: ConfigurationDocument
    health: HealthDocument
    on_failure: str
