"""A plan as a document: what an apply would do, and why. It contains no secret."""

from __future__ import annotations

import difflib
import os

from packager.api import plan_document as activation_document
from packager.api import split_id

from provisioner.planning.configuration_changes import (
    active_configuration_files,
    is_same_file,
    restarts_of_applied,
    units_to_restart,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from packager.api import Candidate, Plan

    from provisioner.desired.configuration import ConfigurationFile
    from provisioner.desired.desired_state import DesiredState
    from provisioner.planning.configuration_changes import ActiveFile
    from provisioner.planning.documents import (
        EditDocument,
        FetchDocument,
        FileChange,
        HealthSummary,
        PackageChanges,
        PlanDocument,
        RoleChange,
    )
    from provisioner.profile.model import Profile
    from provisioner.runs.run import Run
    from provisioner.status.difference import Difference

MAX_DIFF_BYTES = 256 << 10  # of a file of which a diff is made
OTHERS = 0o007  # permissions of those who are neither the owner nor of the group


def plan_document(
    root: str,
    desired: DesiredState,
    plan: Plan | None,
    differences: Sequence[Difference],
    applied: Run | None,
    pending: Run | None,
) -> PlanDocument:
    """The plan. Keys are always there; lists are sorted. plan: None while packages are missing;
    `host` and `environment` are then null, since those packages decide them. differences: what is
    to be repaired. Raises PackagerError."""
    active, configuration = desired.active, desired.configuration
    active_files = active_configuration_files(root, desired)
    activation = activation_document(plan) if plan is not None else None
    files = list(_file_changes(root, desired, active_files))
    restart = units_to_restart(active_files, configuration, restarts_of_applied(applied))
    packages = _package_changes(desired)
    roles: RoleChange = {"from": list(active.roles) if active else [], "to": list(desired.roles)}
    changed = bool(
        desired.missing
        or any(packages.values())
        or roles["from"] != roles["to"]
        or files
        or differences
        or (plan is not None and plan.changed)
        or pending is not None
        or applied is None
        or applied.profile().document != desired.profile.document
    )
    return {
        "changed": changed,
        "profile": desired.profile.name,
        "takes_over": _taken_over(applied, desired.profile),
        "layers": [],
        "applied": applied.number if applied else None,
        "interrupted": pending.number if pending else None,
        "fetch": [_fetch(each) for each in desired.missing],
        "packages": packages,
        "roles": roles,
        "configuration": {
            "from": desired.active_configuration_id,
            "to": configuration.package_id,
            "files": files,
        },
        "restart": restart,
        "repair": [each.document() for each in differences],
        "environment": activation["environment"] if activation else None,
        "edited": _edited(plan) if plan is not None else None,
        "host": plan.host if plan is not None else None,
        "health": _health(desired.profile),
        "on_failure": desired.profile.on_failure,
    }


def _taken_over(applied: Run | None, profile: Profile) -> str | None:
    """The name of the profile that is applied, if this is another one."""
    if applied is None or applied.profile_name == profile.name:
        return None
    return applied.profile_name


def _package_changes(desired: DesiredState) -> PackageChanges:
    own = desired.profile.config_name
    active = desired.active.names if desired.active is not None else {}
    before = {name: package_id for name, package_id in active.items() if name != own}
    after = {split_id(each)[0]: each for each in desired.packages}
    return {
        "activate": sorted(after[name] for name in after.keys() - before.keys()),
        "deactivate": sorted(before[name] for name in before.keys() - after.keys()),
        "swap": [
            {"name": name, "from": before[name], "to": after[name]}
            for name in sorted(before.keys() & after.keys())
            if before[name] != after[name]
        ],
    }


def _file_changes(
    root: str, desired: DesiredState, active_files: Iterable[ActiveFile]
) -> Iterator[FileChange]:
    before = {each.path: each for each in active_files}
    after = {each.path: each for each in desired.configuration.files}
    unknown = desired.configuration.unknown
    directory = f"{root}/packages/{desired.active_configuration_id}"
    for path in sorted({*before, *after, *unknown}):
        entry, file = before.get(path), after.get(path)
        if path in unknown:
            yield {
                "path": path,
                "change": "unknown",
                "secret": False,
                "diff": None,
                "reason": "its template is in a package that is still to be fetched",
                "mode": None,
                "owners": None,
            }
        elif entry is None or file is None or not is_same_file(entry, file):
            yield _file_change(path, f"{directory}/{path}", entry, file)


def _file_change(
    path: str, active_path: str, entry: ActiveFile | None, file: ConfigurationFile | None
) -> FileChange:
    """How the file becomes `file`. entry: the active one, at active_path."""
    mode = None
    if file is not None and (entry is None or entry.mode != file.mode):
        mode = f"{file.mode:04o}"
    secret = _may_be_secret(entry, file)
    diff = None
    if not secret:
        before = _content(active_path) if entry is not None else b""
        diff = _diff(path, before, file.content if file is not None else b"")
    return {
        "path": path,
        "change": "remove" if file is None else "add" if entry is None else "change",
        "secret": secret,
        "diff": diff,
        "reason": _why_hidden(file) if secret else None,
        "mode": mode,
        "owners": None if file is None or (entry and entry.owners == file.owners) else file.owners,
    }


def _may_be_secret(entry: ActiveFile | None, file: ConfigurationFile | None) -> bool:
    """Whether one of them may contain a secret: others may not read files that do."""
    if file is not None and (file.secret or not file.mode & OTHERS):
        return True
    return entry is not None and not entry.mode & OTHERS


def _why_hidden(file: ConfigurationFile | None) -> str:
    if file is not None and file.secret:
        return "contains a secret"
    return "not everybody may read it, so no diff is shown"


def _content(path: str) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(fd, "rb") as file:  # noqa: PTH123
            return file.read(MAX_DIFF_BYTES + 1)
    except OSError:
        return None


def _diff(path: str, before: bytes | None, after: bytes) -> str | None:
    """A unified diff; None for contents that are unknown or too large."""
    if before is None or len(before) > MAX_DIFF_BYTES or len(after) > MAX_DIFF_BYTES:
        return None
    lines = difflib.unified_diff(
        before.decode(errors="replace").splitlines(),
        after.decode(errors="replace").splitlines(),
        f"a/{path}",
        f"b/{path}",
        lineterm="",
    )
    return "\n".join(lines)


def _edited(plan: Plan) -> list[EditDocument]:
    return [{"of": each.of, "path": each.path, "place": each.place} for each in plan.edited]


def _fetch(candidate: Candidate) -> FetchDocument:
    return {
        "id": candidate.id,
        "repository": candidate.repository,
        "size": candidate.size,
        "verified": candidate.verified,
    }


def _health(profile: Profile) -> HealthSummary:
    from packager.api import redacted

    health = profile.health
    return {
        "checks": health.checks,
        "units": health.units,
        "http": [redacted(each["url"]) for each in health.http],
    }
