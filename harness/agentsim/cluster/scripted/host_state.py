"""What a scripted provisioner knows of its host: runs, the applied one, revisions, the fence."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Final

_VERSION = re.compile(r"""^(?:profile:|\s*\{?.*"profile"\s*:)\s*1\b""", re.MULTILINE)
_NAME = re.compile(r"^name:\s*[\"']?([A-Za-z0-9._-]+)", re.MULTILINE)
_PACKAGES = re.compile(r"^packages:\s*\[([^\]]*)\]", re.MULTILINE)
_FILES = re.compile(r"^\s*-\s*\{?\s*path:", re.MULTILINE)
_DIGEST_DIGITS: Final = 16


class BadProfile(ValueError):
    """A profile that is refused; the text says why."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What of a profile is kept: never its values, which may be secrets.

    Attributes:
        digest: of its bytes.
        configuration: the id of the package that its configuration becomes.
        packages: that it names, with version 1.
        files: how many its configuration has.
    """

    name: str
    digest: str
    configuration: str
    packages: tuple[str, ...]
    files: int


def read_profile(data: bytes) -> Profile:
    """A profile as far as it is looked at: JSON, or YAML in the forms that the manual shows.

    Raises:
        BadProfile: it has no version of its format, or no name.
    """
    text = data.decode("utf-8", "replace")
    digest = hashlib.sha256(data).hexdigest()
    if not _VERSION.search(text):
        raise BadProfile("the profile: profile must be there")
    try:
        document = json.loads(text)
        name, packages = document["name"], [str(each) for each in document.get("packages", [])]
        files = len(document.get("configuration", {}).get("files", []))
    except (ValueError, KeyError, TypeError, AttributeError):
        match, listed = _NAME.search(text), _PACKAGES.search(text)
        if match is None:
            raise BadProfile("the profile: name must be there") from None
        name = match[1]
        packages = [each.strip() for each in (listed[1] if listed else "").split(",")]
        files = len(_FILES.findall(text))
    ids = tuple(f"{each}--1" if "--" not in each else each for each in packages if each)
    return Profile(name, digest, f"{name}-config--{digest[:_DIGEST_DIGITS]}", ids, files)


@dataclass(slots=True)
class Run:
    """One run of apply or rollback, as `history` tells it."""

    number: int
    command: str
    profile: Profile
    started: float
    request_id: str | None
    before: int | None
    finished: float | None = None
    after: int | None = None
    outcome: str | None = None
    reason: str | None = None
    revision: str | None = None
    rollout: str | None = None
    attempt: int | None = None

    def described(self, applied: int | None) -> dict[str, Any]:
        """As `history --format=json` has it."""
        ids = sorted((*self.profile.packages, self.profile.configuration))
        return {
            "run": self.number,
            "applied": self.number == applied,
            "command": self.command,
            "profile": self.profile.name,
            "time": _time(self.started),
            "finished": _time(self.finished),
            "who": "root",
            "request_id": self.request_id,
            "generation": {"before": self.before, "found": self.before, "after": self.after},
            "roles": [],
            "packages": ids,
            "outcome": self.outcome,
            "reason": self.reason,
            "revision": self.revision,
            "rollout": self.rollout,
            "attempt": self.attempt,
        }


@dataclass(slots=True)
class Request:
    """The last thing that a rollout asked the host for.

    Attributes:
        state: `running`, `interrupted` or `ended`.
    """

    request_id: str | None
    command: str
    revision: str | None
    rollout: str
    attempt: int | None
    fence: int | None
    holder: str | None
    started: float
    exit_code: int | None = None
    reason: str | None = None
    run: int | None = None
    finished: float | None = None
    state: str = "running"

    def described(self) -> dict[str, Any]:
        """As documents have it."""
        times = {"started": _time(self.started), "finished": _time(self.finished)}
        return {**asdict(self), **times}


@dataclass(slots=True)
class HostState:
    """A host.

    Attributes:
        runs: by number.
        applied, pending: numbers of runs.
        generation: the active one; None before the first.
        generations: how many there have been.
        rendered: ids of configurations that are in the store.
        revisions: digests of profiles by revision.
        attempts: the highest attempt of each rollout.
        request: the last one of a rollout's.
        fence, holder: the highest fence that was seen, and whose it is.
        disk_full, unhealthy: what was injected.
    """

    runs: dict[int, Run] = field(default_factory=dict)
    applied: int | None = None
    pending: int | None = None
    generation: int | None = None
    generations: int = 0
    rendered: set[str] = field(default_factory=set)
    revisions: dict[str, str] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    request: Request | None = None
    fence: int = 0
    holder: str | None = None
    disk_full: bool = False
    unhealthy: bool = False

    @property
    def told_request(self) -> dict[str, Any] | None:
        """The last request, as documents have it."""
        return None if self.request is None else self.request.described()

    @property
    def current(self) -> Run | None:
        """The run that is applied."""
        return None if self.applied is None else self.runs[self.applied]


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
