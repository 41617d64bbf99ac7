"""In what the host differs from the run that it is held to.

Everything is found out by packager's own eyes: the records of the packages, the document of the
active generation, what was written down as done on the host, and systemd. Nothing is changed, no
lock is taken, and no network is asked.
"""

from __future__ import annotations

from packager.base.errors import Conflict, DataError
from packager.generations.document import Generation, active_generation
from packager.host import systemd_units
from packager.package.package_id import split_id
from packager.store.installed import has_tree
from packager.store.write_session import translated
from packager.verification.host_check import remaining_host_work, required_units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from packager.base.events import Field
    from packager.host.options import HostOptions

    from provisioner.runs.run_records import Run

# Kinds of differences, each with what its subject is.
PROFILE = "profile"  # the profile's name: its last apply did not end well
SET = "set"  # a package's name: another version is active, or none, or it should not be
ROLES = "roles"  # "active": those of the active set; "host": those that are set for the host
PACKAGE = "package"  # an id: the package, or its record, is gone or damaged
FILE = "file"  # a path in a package
CONFIGURATION = "configuration"  # a path in the configuration, changed by hand
LINK = "link"  # a path in the active generation
UNIT_FILE = "unit-file"  # the path of a unit file that was placed on the host
UNIT = "unit"  # a unit that does not run, or runs as another version
USER, DIRECTORY, OWNER = "user", "directory", "owner"  # a user; paths of state directories
SETTING = "setting"  # a kernel setting
HOST = "host"  # what packages need and nobody here may make

DONE = {"stop": "stopped", "restart": "restarted", "start": "started"}
AS_ADDED = "as it was added"
AS_MADE = "as it was made"


class Difference:
    """One way in which the host is not as it should be.

    expected, found: words for both; None: nothing there. package: the id of the package whose it
    is, if it is a package's.
    """

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

    def document(self) -> dict[str, str | None]:
        """As JSON has it."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "package": self.package,
            "expected": self.expected,
            "found": self.found,
            "reason": self.reason,
        }


def differences(root: str, run: Run, options: HostOptions, *, quick: bool) -> list[Difference]:
    """Everything in which the host differs from `run`. options: packager's host options by dest.
    quick: files that were not touched since they were added are not read. Raises PackagerError."""
    try:
        with translated(root):
            active = active_generation(root)
    except DataError as error:
        return [Difference(LINK, "active", AS_MADE, str(error))]
    there = [each for each in run.packages if has_tree(root, each)]
    found = [*_set(run, active), *_roles(run, active)]
    found += [
        Difference(PACKAGE, each, AS_ADDED, None, each)
        for each in run.packages
        if each not in there
    ]
    found += _contents(root, run, there, quick=quick)
    # That a package is lost is told once, and not again by what leads to it.
    lost = {split_id(each.subject)[0] for each in found if each.kind == PACKAGE}
    found = [each for each in found if each.kind != LINK or each.subject not in lost]
    if active is not None:
        found += _host(root, active, options)
    return found


def _set(run: Run, active: Generation | None) -> Iterator[Difference]:
    wanted = {split_id(each)[0]: each for each in run.packages}
    names = active.names if active is not None else {}
    for name in sorted(wanted.keys() | names.keys()):
        if wanted.get(name) != names.get(name):
            yield Difference(SET, name, wanted.get(name), names.get(name), wanted.get(name))


def _roles(run: Run, active: Generation | None) -> Iterator[Difference]:
    if active is not None and active.roles != run.roles:
        yield Difference(ROLES, "active", _words(run.roles), _words(active.roles))


def host_roles(run: Run, options: HostOptions) -> list[Difference]:
    """Whether the host says other roles than it did; for a profile that names none itself."""
    roles = options.roles()
    if roles == run.roles:
        return []
    return [Difference(ROLES, "host", _words(run.roles), _words(roles))]


def _words(roles: tuple[str, ...]) -> str:
    return ", ".join(roles) or "none"


def _contents(root: str, run: Run, ids: list[str], *, quick: bool) -> list[Difference]:
    """The files of the packages, the active generation, the unit files on the host."""
    found: list[Difference] = []
    if not ids:  # without ids, verify would look at all that the store has
        from packager.verification.generation_check import check

        checked = check(root)
        for each in checked[1] if checked is not None else ():
            found.append(_difference(run, None, each.path, each.reason, each.kind))
        return found
    from packager.verification.verify import verify

    def hear(event: str, /, **fields: Field) -> None:
        if event == "difference":
            words = (str(fields[name]) for name in ("path", "reason", "kind"))
            found.append(_difference(run, fields.get("id"), *words))

    verify(root, ids, hear, active=True, quick=quick)
    if run.configuration in ids and any(each.kind == LINK for each in found):
        _attribute(root, run.configuration, run.roles, found)
    return found


def _difference(run: Run, package_id: Field, path: str, reason: str, what: str) -> Difference:
    from packager.store.tree_comparison import FOREIGN, MISSING

    package = str(package_id) if package_id is not None else None
    kind, subject, expected = LINK, path or "active", AS_MADE
    if package is not None:
        kind, subject, expected = FILE, path, AS_ADDED
        if not path:
            kind, subject = PACKAGE, package
        elif package == run.configuration:
            kind = CONFIGURATION
    elif path.startswith("/"):
        kind = UNIT_FILE
    if what == MISSING:
        return Difference(kind, subject, expected, None, package)
    return Difference(kind, subject, None if what == FOREIGN else expected, reason, package)


def _attribute(
    root: str, configuration: str, roles: tuple[str, ...], found: list[Difference]
) -> None:
    """Links that lead to the configuration are configuration: many editors, asked to change what a
    link leads to, put a file in the place of the link."""
    from packager.base.errors import PackagerError
    from packager.generations.published_links import publish
    from packager.store.manifest_records import read_record

    try:
        links = publish(configuration, read_record(root, configuration)[1], roles).links
    except PackagerError:
        return  # which has been found already
    for each in found:
        if each.kind == LINK and each.subject in links:
            each.kind, each.package = CONFIGURATION, configuration


def _host(root: str, active: Generation, options: HostOptions) -> Iterator[Difference]:
    """What packager would still do for the active set, and units that do not run."""
    units_dir = options.units_dir(root)
    try:
        plan = remaining_host_work(root, active, options)
    except Conflict as conflict:
        yield Difference(HOST, "host", "what the packages need", str(conflict))
        return
    reasons = plan.get("reasons", {})
    for each in plan.get("place", ()):
        path, reason = f"{units_dir}/{each['unit']}", reasons[each["unit"]]
        yield Difference(UNIT_FILE, path, f"that of {each['package']}", reason, each["package"])
    for name in plan.get("remove", ()):
        yield Difference(UNIT_FILE, f"{units_dir}/{name}", None, reasons[name])
    moved = {"stop": plan.get("stop"), "restart": plan.get("restart"), "start": plan.get("start")}
    for step, names in moved.items():
        for name in names or ():
            yield Difference(UNIT, name, DONE[step], reasons[name])
    for user in plan.get("users", ()):
        yield Difference(USER, user["name"], "a user", None, user["package"])
    for directory in plan.get("directories", ()):
        package = directory["package"]
        yield Difference(DIRECTORY, directory["path"], "a directory", None, package)
    for owned in plan.get("owners", ()):
        owner = f"all of it owned by {owned['user']}"
        was = f"owned by {owned['was']}"
        yield Difference(OWNER, owned["path"], owner, was, owned["package"])
    for name, value in plan.get("sysctl", {}).items():
        yield Difference(SETTING, name, value, "not set since the host was started")
    for path in plan.get("forget", ()):
        yield Difference(DIRECTORY, path, None, "remembered, though no active package has it")
    if "adopt" in plan:
        yield Difference(HOST, "host", "an import that has ended", "one was interrupted")
    if "reload" in plan or ("target" in plan and "place" not in plan):
        known = "all unit files known to systemd"
        yield Difference(HOST, "host", known, "it was not told of some")
    if plan.get("withdraw") is not None:
        yield Difference(HOST, "host", "an activation that has ended", "one was interrupted")
    if options.systemd:
        wanted = required_units(active, options)
        todo = {*plan.get("restart", ()), *plan.get("start", ())}
        for unit in systemd_units.not_running(sorted(wanted.keys() - todo)):
            package = wanted[unit.unit]["package"]
            yield Difference(UNIT, unit.unit, "active", str(unit), package)
