"""A plan as a document: what an apply would do, and why. No secret is in it."""

from __future__ import annotations

import difflib
import os

from packager.activation import plan_document as theirs
from packager.base.errors import DataError, NotFound
from packager.package.entry_kinds import FILE
from packager.package.manifest import PKGINFO, decode_entries
from packager.package.package_id import split_id
from packager.store.manifest_records import read_record
from packager.store.write_session import translated

from provisioner.desired import configuration_package

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packager.activation.planning import Plan
    from packager.generations.document import Generation
    from packager.package.manifest import Entry
    from packager.repositories.candidates import Candidate

    from provisioner.desired.configuration_package import File
    from provisioner.desired.desired_state import Intent
    from provisioner.profile.document import Document
    from provisioner.runs.run_records import Run
    from provisioner.status.drift import Difference

LARGEST_SHOWN = 256 << 10  # bytes of a file of which a diff is made


def document(
    root: str,
    intent: Intent,
    plan: Plan | None,
    differences: Iterable[Difference],
    applied: Run | None,
    pending: Run | None,
) -> Document:
    """The plan. Keys are always there; lists are sorted. `host` and `environment` are null while
    packages are missing: what those bring is known when they have been fetched."""
    before, current = entries_of(root, intent), intent.current
    repair = [each.document() for each in differences]
    told = theirs.document(plan) if plan is not None else None
    files = list(_files(root, intent, before))
    restart = configuration_package.restarted(before, intent.configuration, restarts(applied))
    sets = _sets(current, intent)
    roles = {"from": list(current.roles) if current else [], "to": list(intent.roles)}
    changed = bool(
        intent.missing
        or any(sets.values())
        or roles["from"] != roles["to"]
        or files
        or repair
        or (plan is not None and plan.changed)
        or pending is not None
        or applied is None
        or applied.profile().document != intent.profile.document
    )
    return {
        "changed": changed,
        "profile": intent.profile.name,
        "applied": applied.number if applied else None,
        "interrupted": pending.number if pending else None,
        "fetch": [_fetched(each) for each in intent.missing],
        "packages": sets,
        "roles": roles,
        "configuration": {
            "from": _config_id(current, intent),
            "to": intent.configuration.id,
            "files": files,
        },
        "restart": restart,
        "repair": repair,
        "environment": told["environment"] if told else None,
        "host": told["host"] if told else None,
        "health": _health(intent),
        "on_failure": intent.profile.on_failure,
    }


def entries_of(root: str, intent: Intent) -> list[Entry]:
    """The files of the configuration that is active now, but for the package's own. Raises
    PackagerError."""
    package_id = _config_id(intent.current, intent)
    if package_id is None:
        return []
    with translated(root):
        try:
            entries = decode_entries(read_record(root, package_id)[1], package_id)
        except (NotFound, DataError):
            return []  # it is lost; everything is new then
    return [each for each in entries if each.kind == FILE and each.path != PKGINFO]


def restarts(applied: Run | None) -> dict[str, list[str]]:
    """What the applied profile says of restarts: paths to units."""
    if applied is None:
        return {}
    return {each["path"]: each.get("restart", []) for each in applied.profile().files}


def _config_id(current: Generation | None, intent: Intent) -> str | None:
    return current.names.get(intent.profile.config_name) if current is not None else None


def _sets(current: Generation | None, intent: Intent) -> Document:
    own = intent.profile.config_name
    old = {} if current is None else {n: i for n, i in current.names.items() if n != own}
    new = {split_id(each)[0]: each for each in intent.ids}
    return {
        "activate": sorted(new[name] for name in new.keys() - old.keys()),
        "deactivate": sorted(old[name] for name in old.keys() - new.keys()),
        "swap": [
            {"name": name, "from": old[name], "to": new[name]}
            for name in sorted(old.keys() & new.keys())
            if old[name] != new[name]
        ],
    }


def _files(root: str, intent: Intent, before: Iterable[Entry]) -> Iterable[Document]:
    old = {each.path: each for each in before}
    new = {each.path: each for each in intent.configuration.files}
    directory = f"{root}/packages/{_config_id(intent.current, intent)}"
    for path in sorted({*old, *new, *intent.configuration.unknown}):
        entry, file = old.get(path), new.get(path)
        if path in intent.configuration.unknown:
            reason = "its template is in a package that is still to be fetched"
            yield _told(path, "unknown", secret=False, diff=None, reason=reason)
            continue
        secret = (file is not None and _hidden(file)) or (entry is not None and _private(entry))
        change = "remove" if file is None else "add" if entry is None else "change"
        mode = file.mode if file else None
        if file is not None and entry is not None:
            if (
                entry.sha256 == configuration_package.sha256(file.content)
                and entry.mode == file.mode
            ):
                continue
            mode = file.mode if file.mode != entry.mode else None
        diff = None
        if not secret:
            there = _content(f"{directory}/{path}") if entry is not None else b""
            diff = _diff(path, there, file.content if file is not None else b"")
        why = "holds a secret" if secret else None
        told = _told(path, change, secret=secret, diff=diff, reason=why)
        yield told | {"mode": f"{mode:04o}" if mode is not None else None}


def _told(
    path: str, change: str, *, secret: bool, diff: str | None, reason: str | None
) -> Document:
    return {"path": path, "change": change, "secret": secret, "diff": diff, "reason": reason}


def _hidden(file: File) -> bool:
    return file.secret or not file.mode & 0o077


def _private(entry: Entry) -> bool:
    """Whether a file of the active configuration may hold a secret: then it is its owner's only."""
    return not entry.mode & 0o077


def _content(path: str) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(fd, "rb") as file:  # noqa: PTH123
            return file.read(LARGEST_SHOWN + 1)
    except OSError:
        return None


def _diff(path: str, old: bytes | None, new: bytes) -> str | None:
    """A unified diff; None where there can't be one."""
    if old is None or len(old) > LARGEST_SHOWN or len(new) > LARGEST_SHOWN:
        return None
    lines = difflib.unified_diff(
        old.decode(errors="replace").splitlines(),
        new.decode(errors="replace").splitlines(),
        f"a/{path}",
        f"b/{path}",
        lineterm="",
    )
    return "\n".join(lines)


def _fetched(each: Candidate) -> Mapping[str, object]:
    return {
        "id": each.id,
        "repository": each.repository,
        "size": each.size,
        "verified": each.verified,
    }


def _health(intent: Intent) -> Document:
    from packager.repositories.http_policy import redacted

    wanted = intent.profile.health
    return {
        "checks": wanted["checks"],
        "units": wanted["units"],
        "http": [redacted(each["url"]) for each in wanted["http"]],
    }
