"""`packager verify`: every file of the installed packages against what was added."""

from __future__ import annotations

from collections.abc import Iterator

from packager import output
from packager.errors import NotFound, PackagerError
from packager.installed import installed_ids
from packager.progress import Events, listener
from packager.store import Store, Verified

DIFFERENT = 65


def run(*, root: str, package_ids: tuple[str, ...], output_format: str) -> int:
    """Verify packages; 65 if one differs. Raises PackagerError, OutputFailed."""
    found: list[Verified] = []
    with listener(output_format) as emit:
        try:
            for verified in _verified(root, package_ids):
                found.append(verified)
                if isinstance(emit, Events):
                    _tell(verified, emit)
        except PackagerError as error:
            if isinstance(emit, Events):
                emit.failed(error, error.exit_code)
            raise
    if output_format == "json":
        output.json_line(_document(found))
    elif output_format == "table":
        _table(found)
    different = sum(bool(each.differences) for each in found)
    if different:
        differ = "differs" if different == 1 else "differ"
        output.complain(
            f"{different} of {output.plural(len(found), 'package')} {differ} from what was added"
        )
    return DIFFERENT if different else 0


def _verified(root: str, package_ids: tuple[str, ...]) -> Iterator[Verified]:
    store = Store(root)
    for package_id in package_ids or installed_ids(root):
        try:
            yield from store.verify([package_id])
        except NotFound:
            if package_ids:
                raise
            # Nobody asked for this one by name: it was removed since the ids were listed.


def _tell(verified: Verified, emit: Events) -> None:
    for difference in verified.differences:
        emit("difference", id=verified.id, path=difference.path, reason=difference.reason)
    count = len(verified.differences)
    emit("verified", id=verified.id, ok=not count, differences=count)


def _document(found: list[Verified]) -> dict[str, object]:
    packages = [
        {
            "id": each.id,
            "ok": not each.differences,
            "differences": [{"path": d.path, "reason": d.reason} for d in each.differences],
        }
        for each in found
    ]
    return {"ok": all(package["ok"] for package in packages), "packages": packages}


def _table(found: list[Verified]) -> None:
    rows = [(v.id, d.path or ".", d.reason) for v in found for d in v.differences]
    if rows:
        output.table(("id", "path", "difference"), rows)
    else:
        output.line(f"{output.plural(len(found), 'package')} verified, no difference")
