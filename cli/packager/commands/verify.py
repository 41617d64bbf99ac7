"""`packager verify`: the packages and the active set, against what was added and made."""

from __future__ import annotations

from packager.base.events import Field
from packager.cli import output
from packager.cli.progress import Events, listener, listening
from packager.store.difference import UNREAD
from packager.verification.verify import verify

DIFFERENT, UNREADABLE = 65, 77


class Report:
    """What was verified: one document for each package, and for the active generation."""

    def __init__(self) -> None:
        self.packages: list[dict[str, object]] = []
        self.active: dict[str, object] | None = None
        self.differ = 0  # of all these
        self.unread = 0  # how much could not be looked at
        self._differences: list[dict[str, Field]] = []

    def hear(self, event: str, fields: dict[str, Field]) -> None:
        if event == "difference":
            self._differences.append({name: fields[name] for name in ("path", "kind", "reason")})
            return
        document: dict[str, object] = {
            name: fields[name] for name in ("id", "generation", "ok") if name in fields
        }
        self.differ += bool(fields["differences"])
        self.unread += int(str(fields.get("unread", 0)))
        document["differences"] = self._differences
        self._differences = []
        if "id" in fields:
            self.packages.append(document)
        else:
            self.active = document

    @property
    def complaints(self) -> list[str]:
        """What differs, in words."""
        words = []
        different = sum(map(_differs, self.packages))
        if different:
            differ = "differs" if different == 1 else "differ"
            count = output.plural(len(self.packages), "package")
            words.append(f"{different} of {count} {differ} from what was added")
        if self.active is not None and _differs(self.active):
            words.append(f"{_name(self.active)} differs from what was made")
        if self.unread:
            words.append(f"{self.unread} could not be looked at: run as a user who may")
        return words

    @property
    def exit_code(self) -> int:
        """That of the worst that was found."""
        return DIFFERENT if self.differ else UNREADABLE if self.unread else 0


def run(*, root: str, package_ids: tuple[str, ...], exit_zero: bool, output_format: str) -> int:
    """Verify; 65 if something differs, 77 if nothing does of what could be looked at, and not all
    could; 0 with `exit_zero`. Raises PackagerError, OutputFailed, Stopped."""
    report = Report()
    with listening(listener(output_format)) as emit:

        def hear(event: str, /, **fields: Field) -> None:
            report.hear(event, fields)
            if isinstance(emit, Events):
                emit(event, **fields)

        verify(root, package_ids, hear)
    complaints = report.complaints
    if output_format == "json":
        output.json_line(
            {"ok": not complaints, "packages": report.packages, "active": report.active}
        )
    elif output_format == "table":
        _table(report)
    if complaints:
        output.complain("; ".join(complaints))
    return 0 if exit_zero else report.exit_code


def _table(report: Report) -> None:
    rows = []
    for each in (*report.packages, *([report.active] if report.active else ())):
        found = each["differences"]
        assert isinstance(found, list)
        rows += [(_name(each), d["path"] or ".", d["kind"], d["reason"]) for d in found]
    if rows:
        output.table(("of", "path", "kind", "difference"), rows)
        return
    words = output.plural(len(report.packages), "package")
    if report.active is not None:
        words += f" and {_name(report.active)}"
    output.line(f"{words} verified, no difference")


def _differs(document: dict[str, object]) -> bool:
    found = document["differences"]
    assert isinstance(found, list)
    return any(each["kind"] != UNREAD for each in found)


def _name(document: dict[str, object]) -> str:
    if "id" in document:
        return str(document["id"])
    number = document["generation"]
    return "the active generation" if number is None else f"generation {number}"
