"""What an activation would do, found out without changing anything; `plan` and the doing share it.

The cost is that of the packages that come and go: the others are known from the document of the
active generation, and the paths they have from its tree.
"""

from __future__ import annotations

import os

from packager.activation import local_edits
from packager.activation.same_files import SameFiles
from packager.base.debug_log import debug
from packager.base.errors import Conflict, NotFound, UsageError
from packager.dependencies import relations
from packager.generations import build_info, path_conflicts
from packager.generations.document import (
    Generation,
    active_generation,
    kept_numbers,
    read_generation,
)
from packager.generations.environment_files import environment_files, refuse_separator
from packager.generations.link_tree import ENTER, DiskIndex
from packager.generations.published_links import Published, publish
from packager.host import applied_state, apply, host_plan
from packager.host.context import Context
from packager.host.options import HostOptions
from packager.package import declarations
from packager.package.package_id import flaw, parse_id, split_id
from packager.store.installed import installed_ids
from packager.store.manifest_records import missing, read_record
from packager.store.own_package import own_package

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packager.activation.local_edits import Edit
    from packager.host.documents import AdoptedState, AppliedState, HostPlan
    from packager.package.declarations import Declarations

ACTIONS = ("activate", "deactivate", "swap", "rollback")
MAX_SHOWN_REASONS = 20  # conflicts told of at once


class Request:
    """What somebody wants to become active.

    action: one of ACTIONS. words: ids, names, or names with a range of versions; of deactivate ids
    and names; of rollback the number, or none. add: activate keeps what is active, but for other
    versions of these packages and what they replace. roles: None: those of the host. adopting: what
    is done already on the host for this set, see `Context`.
    """

    __slots__ = ("action", "add", "adopting", "options", "roles", "words")

    def __init__(
        self,
        action: str,
        words: Sequence[str],
        *,
        add: bool = False,
        roles: tuple[str, ...] | None = None,
        options: HostOptions | None = None,
        adopting: AdoptedState | None = None,
    ) -> None:
        self.action = action
        self.words = words
        self.add = add
        self.roles = roles
        self.options = options or HostOptions()
        self.adopting = adopting

    def context(self, root: str, target: Generation, current: Generation | None) -> Context:
        """Of the host's side of an activation of `target`, `current` being active."""
        before = current.number if current is not None else None
        return Context(root, target.number, before, self.options, self.adopting)


class Plan:
    """The generation that is wanted, and what makes it of the active one."""

    __slots__ = (
        *("context", "current", "edited", "entering", "files"),
        *("host", "host_state", "leaving", "target"),
    )

    def __init__(
        self,
        current: Generation | None,
        target: Generation,
        leaving: list[Published],
        entering: list[Published],
        host: HostPlan,
        files: dict[str, bytes],
        context: Context,
        host_state: AppliedState,
        edited: list[Edit],
    ) -> None:
        self.current = current
        self.target = target
        self.leaving = leaving
        self.entering = entering
        self.host = host
        self.files = files  # what stands at the top of the generation, beside the links
        self.context = context
        self.edited = edited  # configuration of this host's own that will not be in use any more
        self.host_state = host_state  # what `host` was decided from; its steps keep it up to date

    @property
    def switches(self) -> bool:
        """Whether another generation becomes active."""
        return self.current is None or self.current.number != self.target.number

    @property
    def needs_tree(self) -> bool:
        """Whether a tree of links has to be made for it, of one that is there."""
        root, number = self.context.root, self.target.number
        return self.switches and not os.path.lexists(f"{root}/generations/{number}")

    @property
    def changed(self) -> bool:
        """Whether anything is to be done, in the store or on the host."""
        return self.switches or bool(self.host)


class Packages:
    """What the store has of packages, each read once."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._published: dict[tuple[str, tuple[str, ...]], Published] = {}
        self._declared: dict[str, Declarations] = {}

    def has(self, package_id: str) -> bool:
        """Whether the package is there."""
        return os.path.lexists(f"{self.root}/packages/{package_id}")

    def entries(self, package_id: str) -> bytes:
        """The JSON array of the package's entries. Raises NotFound, DataError."""
        return read_record(self.root, package_id)[1]

    def published(self, package_id: str, roles: tuple[str, ...]) -> Published:
        """What the package publishes on a host with these roles. Raises NotFound, DataError."""
        key = (package_id, roles)
        if key not in self._published:
            if not self.has(package_id):
                raise missing(self.root, package_id)
            tree = f"{self.root}/packages/{package_id}"
            record, entries = read_record(self.root, package_id)
            found = self._published[key] = publish(package_id, entries, roles)
            declared = declarations.read_declarations(package_id, tree, record)
            empty = sorted(found.directories - parents(found.links))
            if empty:
                declared["empty_directories"] = empty
            self._declared[package_id] = declared
        return self._published[key]

    def declarations(self, package_id: str, roles: tuple[str, ...]) -> Declarations:
        """What the package says of the host, and its directories that hold no link."""
        self.published(package_id, roles)
        return self._declared[package_id]


def make_plan(root: str, request: Request, packages: Packages) -> Plan:
    """The plan for what is active now. Raises Conflict with all reasons, NotFound, UsageError,
    DataError, OSError. Only if the caller holds ROOT/lock it stays true."""
    current = active_generation(root)
    if request.action in ("activate", "swap"):  # a store that is there may yet be got out of
        refuse_separator(root)
    if request.action == "rollback":
        target = _earlier(root, current, request.words)
    else:
        roles = request.options.roles() if request.roles is None else request.roles
        ids = _requested_ids(current, request, packages, roles)
        known = current.packages if current is not None else {}  # active ones are never removed
        for each in ids:
            if each not in known and not packages.has(each):
                raise missing(root, each)
        if current is not None and ids == list(current.packages) and roles == current.roles:
            target = current
        else:
            target = _next(root, current, request.action, ids, roles, packages)
    _refuse_end_of_packager(root, current, target)
    leaving, entering = _difference(current, target, packages)
    debug(lambda: _decision(request, current, target, leaving, entering))
    _refuse_conflicts(root, current, target, leaving, entering, packages)
    context = request.context(root, target, current)
    state = applied_state.load(root)
    host = apply.plan(target.packages, target.roles, context, state)
    come = {each.name: each.id for each in entering}
    files = generation_files(root, target, current, come)
    gone = [each.id for each in leaving if each.id not in target.packages]
    switches = current is None or current.number != target.number
    edited = local_edits.find(root, current, gone) if switches else []
    return Plan(current, target, leaving, entering, host, files, context, state, edited)


def _refuse_end_of_packager(root: str, current: Generation | None, target: Generation) -> None:
    """Raise Conflict if packager runs from an active package that no version of is in the target:
    the next request would find no packager."""
    own = own_package(root)
    name = split_id(own)[0] if own is not None else None
    if current is not None and name in current.names and name not in target.names:
        raise Conflict(
            f"{own} is what packager itself runs from, and {name} is not in the set that is to "
            f"become active: name it, too (or 'activate --add'); a packager from elsewhere, such "
            "as that of an unpacked bundle, may take it away"
        )


def _decision(
    request: Request,
    current: Generation | None,
    target: Generation,
    leaving: list[Published],
    entering: list[Published],
) -> str:
    before = "nothing" if current is None else f"generation {current.number}"
    return (
        f"{request.action} {' '.join(request.words)}: from {before} to {target.number}; "
        f"entering: {', '.join(each.id for each in entering) or 'none'}; "
        f"leaving: {', '.join(each.id for each in leaving) or 'none'}; "
        f"roles: {', '.join(target.roles) or 'none'}"
    )


def generation_files(
    root: str, target: Generation, current: Generation | None, entering: Mapping[str, str]
) -> dict[str, bytes]:
    """What stands at the top of a generation, beside the links: names to contents. Packages that
    are not `entering` (names to ids) are taken to be in `current`. Raises DataError, OSError."""
    number = current.number if current is not None else None
    staying = target.names.keys() - entering.keys()
    return {
        **environment_files(root, target.packages),
        declarations.SERVICES_FILE: host_plan.service_configuration(target.packages),
        **build_info.files(root, number, staying, entering),
    }


def _requested_ids(
    current: Generation | None, request: Request, packages: Packages, roles: tuple[str, ...]
) -> list[str]:
    active = current.names if current is not None else {}
    if not request.words:
        raise UsageError(f"{request.action} needs a package")
    if request.action == "deactivate":
        leaving = {split_id(word)[0] for word in request.words}
        for word in request.words:
            name = split_id(word)[0]
            if name not in active or word not in (name, active[name]):
                raise NotFound(f"{word} is not active; 'packager active' lists what is")
        return sorted(each for name, each in active.items() if name not in leaving)
    keep = request.action == "swap" or request.add
    if any(flaw(word) for word in request.words):
        chosen = _chosen(packages.root, request.words, active.values(), keep=keep)
        requested = {split_id(each)[0]: each for each in chosen}
    else:
        requested = _ids_by_name(request.words)
    if not keep:
        return sorted(requested.values())
    gone: set[str] = set()
    for new in sorted(set(requested.values()) - set(active.values())):
        gone |= relations.replaced(packages.declarations(new, roles), active.values())
    name = _name(request.words[0])
    if request.action == "swap" and name not in active and not gone:
        raise NotFound(
            f"no package called {name} is active; "
            f"'packager activate --add {request.words[0]}' adds it"
        )
    staying = {name: each for name, each in active.items() if each not in gone}
    return sorted({**staying, **requested}.values())


def _name(word: str) -> str:
    """The name in an id, or in a name with a range."""
    end = next((at for at, each in enumerate(word) if each in "<>=!"), len(word))
    return split_id(word[:end].rstrip())[0]


def _ids_by_name(words: Sequence[str]) -> dict[str, str]:
    """Ids by their names. Raises UsageError."""
    requested: dict[str, str] = {}
    for word in words:
        name = parse_id(word).name
        if requested.setdefault(name, word) != word:
            raise UsageError(f"{requested[name]} and {word} are versions of one package; give one")
    return requested


def _chosen(root: str, words: Sequence[str], active: Iterable[str], *, keep: bool) -> list[str]:
    """The ids that names and ranges stand for, with all that they require: of what is installed."""
    from packager.dependencies.resolver import resolve

    pkginfos = {each: read_record(root, each)[0].pkginfo or {} for each in installed_ids(root)}
    return resolve(words, pkginfos, active, keep=keep)


def _earlier(root: str, current: Generation | None, words: Sequence[str]) -> Generation:
    if current is None:
        raise NotFound("nothing is active, so there is no generation to go back to")
    number = int(words[0]) if words else current.previous
    if number is None:
        raise NotFound(f"generation {current.number} was the first; there is none before it")
    return read_generation(root, number)


def _next(
    root: str,
    current: Generation | None,
    action: str,
    ids: list[str],
    roles: tuple[str, ...],
    packages: Packages,
) -> Generation:
    known = current.packages if current is not None and current.roles == roles else {}
    numbers = kept_numbers(root)
    return Generation(
        number=numbers[-1] + 1 if numbers else 1,
        packages={
            each: known[each] if each in known else packages.declarations(each, roles)
            for each in ids
        },
        roles=roles,
        previous=current.number if current is not None else None,
        command=action,
    )


def _difference(
    current: Generation | None, target: Generation, packages: Packages
) -> tuple[list[Published], list[Published]]:
    """What is published by the packages that go, and by those that come."""
    before = current.packages if current is not None else {}
    same = before.keys() & target.packages.keys()
    # Where packages share files, only all of them together say whose link is at a path.
    is_another = current is not target
    if is_another and current is not None and (current.roles != target.roles or current.shares):
        same = set()
    return (
        [packages.published(e, current.roles) for e in before if e not in same] if current else [],
        [packages.published(e, target.roles) for e in target.packages if e not in same],
    )


def _refuse_conflicts(
    root: str,
    current: Generation | None,
    target: Generation,
    leaving: list[Published],
    entering: list[Published],
    packages: Packages,
) -> None:
    is_same = SameFiles(packages, target.roles).at
    shares = False
    reasons = [reason for each in entering for reason in each.problems]
    gone = {each.id for each in entering}
    staying = {
        each: declared.get("empty_directories", ())
        for each, declared in target.packages.items()
        if each not in gone
    }
    if current is None:
        nothing = path_conflicts.Nothing()
        found, shares = path_conflicts.clashes(leaving, entering, nothing, staying, is_same)
        reasons += found
    elif entering:
        tree = os.open(f"{root}/generations/{current.number}", ENTER)
        try:
            index = DiskIndex(tree)
            found, shares = path_conflicts.clashes(leaving, entering, index, staying, is_same)
            reasons += found
        finally:
            os.close(tree)
    if not target.time:  # an earlier generation has it in its document
        target.shares = shares
    reasons += host_plan.conflicts(target.packages, target.roles)
    reasons += relations.check(target.packages)
    if reasons:
        shown = reasons[:MAX_SHOWN_REASONS]
        if len(reasons) > len(shown):
            shown.append(f"and {len(reasons) - len(shown)} more")
        raise Conflict("nothing was changed: " + "\n".join(shown))


def parents(paths: Iterable[str]) -> set[str]:
    """All directories that have one of `paths` in them, or below them."""
    found: set[str] = set()
    for path in paths:
        directory = path.rpartition("/")[0]
        while directory and directory not in found:
            found.add(directory)
            directory = directory.rpartition("/")[0]
    return found
