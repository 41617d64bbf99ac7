"""Which packages may be active together, by what they say of each other. Pure.

pkgpanda's rules: one version of a name, and every required name is in the set. Beyond these a
package can require a range of versions, or a variant of a package that says which one it is
(pkgpanda's own packages do not, so any of them will do), be in conflict with others, provide a name
that is not its own, and take the place of another (`replaces`).

`check` judges a set of ids; finding a set is left to `resolver`.
"""

from __future__ import annotations

from packager.package.package_id import split_id
from packager.package.versions import contains, parse_range

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Declared = Mapping[str, object]  # `Declarations`, or a pkginfo: both have these keys


class Relation:
    """One entry of requires, conflicts, provides or replaces.

    version: a range, of `provides` the one version; "" if there is none. variant: only if
    `has_variant`; None is then the default variant.
    """

    __slots__ = ("has_variant", "name", "variant", "version")

    def __init__(self, entry: object) -> None:
        self.has_variant = isinstance(entry, dict) and "variant" in entry
        self.variant: object = None
        self.version = ""
        if isinstance(entry, dict):
            self.variant = entry.get("variant")
            self.version = str(entry.get("version", ""))
            entry = entry["name"]
        self.name = str(entry)

    def __str__(self) -> str:
        words = self.name
        if self.version:
            words += f" {self.version}"
        if self.has_variant:
            words += f" of {_variant(self.variant)}"
        return words

    def admits(self, version: str) -> bool:
        """Whether a package of this version is meant; "" is that of a name provided without one."""
        if not self.version:
            return True
        return bool(version) and contains(parse_range(self.version), version)


def relations(declared: Declared, key: str) -> list[Relation]:
    """The entries under `key` (requires, conflicts, provides, replaces)."""
    entries = declared.get(key)
    return [Relation(entry) for entry in entries] if isinstance(entries, list) else []


def names_of(package_id: str, declared: Declared) -> Iterator[tuple[str, str]]:
    """What the package may be called: its own name and version, and those that it provides."""
    yield split_id(package_id)
    for provided in relations(declared, "provides"):
        yield provided.name, provided.version


def check(declared_by_id: Mapping[str, Declared]) -> list[str]:
    """Why this set of ids is not complete or not consistent, one sentence each, in words that a
    person can act on; empty if it is. Called before every activation."""
    known: dict[str, list[tuple[str, str]]] = {}  # a name: (version, id) of all that bear it
    own: dict[str, list[str]] = {}
    for package_id, declared in declared_by_id.items():
        own.setdefault(split_id(package_id)[0], []).append(package_id)
        for name, version in names_of(package_id, declared):
            known.setdefault(name, []).append((version, package_id))
    reasons = [
        f"{' and '.join(sorted(ids))} are versions of one package, {name}: leave only one of them"
        for name, ids in sorted(own.items())
        if len(ids) > 1
    ]
    for package_id, declared in sorted(declared_by_id.items()):
        for required in relations(declared, "requires"):
            reason = _unmet(required, known.get(required.name, []), declared_by_id)
            if reason:
                reasons.append(f"{package_id} requires {required}, but {reason}")
        for key, verb in (("conflicts", "is in conflict with"), ("replaces", "replaces")):
            for against in relations(declared, key):
                met = _met(against, known.get(against.name, []), package_id)
                if met:
                    reasons.append(
                        f"{package_id} {verb} {against}: it can't be active together with "
                        f"{' and '.join(met)}"
                    )
    return reasons


def replaced(declared: Declared, active: Iterable[str]) -> set[str]:
    """The ids of `active` whose place the package with these declarations takes."""
    found = set()
    for place in relations(declared, "replaces"):
        for package_id in active:
            name, version = split_id(package_id)
            if name == place.name and place.admits(version):
                found.add(package_id)
    return found


def variant_fits(required: Relation, declared: Declared) -> bool:
    """Whether a package with these declarations is of the required variant, as far as is known."""
    if not required.has_variant or "variant" not in declared:
        return True
    return bool(declared["variant"] == required.variant)


def _unmet(
    required: Relation, bearers: list[tuple[str, str]], declared_by_id: Mapping[str, Declared]
) -> str | None:
    if not bearers:
        return f"nothing in the set is or provides {required.name}: add it"
    fitting = [package_id for version, package_id in bearers if required.admits(version)]
    if not fitting:
        return f"the set has {' and '.join(sorted({i for _, i in bearers}))}: take another version"
    if any(variant_fits(required, declared_by_id[each]) for each in fitting):
        return None
    has = (f"{each} of {_variant(declared_by_id[each]['variant'])}" for each in sorted(fitting))
    return f"the set has {' and '.join(has)}"


def _met(against: Relation, bearers: list[tuple[str, str]], but: str) -> list[str]:
    return sorted({each for version, each in bearers if each != but and against.admits(version)})


def _variant(variant: object) -> str:
    return "the default variant" if variant is None else f"the variant {variant}"
