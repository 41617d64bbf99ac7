"""Finding a set of packages: names and ranges of versions become ids, by the library resolvelib.

A set that is given as ids needs none of this (see `relations.check`). The library searches; what it
asks about packages is answered here, in three rules: a package that is active already is preferred
where nobody asks for it, otherwise the highest version; versions without an order (hashes) are
never chosen among by chance; a package that nobody needs is not in the set.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from resolvelib import AbstractProvider, BaseReporter, ResolutionImpossible, Resolver
from resolvelib.resolvers import ResolutionTooDeep

from packager.base.errors import Conflict, NotFound, UsageError
from packager.dependencies.relations import (
    Relation,
    check,
    names_of,
    relations,
    replaced,
    variant_fits,
)
from packager.package.package_id import NAME_FIRST, NAME_REST, flaw, split_id
from packager.package.versions import key, parse_range

if TYPE_CHECKING:
    from packager.dependencies.relations import Declared
    from packager.package.versions import Key

MAX_STEPS = 100_000


class Requirement(NamedTuple):
    """That the name be borne by one of `ids`; `needed`: or, if false, by nobody.

    words: what a person reads, after the requiring package's id.
    """

    name: str
    ids: frozenset[str]
    needed: bool
    words: str


class Candidate(NamedTuple):
    """A package that bears a name, its own or one that it provides; None: nobody bears it."""

    name: str
    id: str | None


def requested_package(word: str) -> Relation:
    """What a person asks for: an id, a name, or a name with a range (`db>=1,<2`).

    Raises UsageError.
    """
    if not flaw(word):
        name, version = split_id(word)
        return Relation({"name": name, "version": f"={version}"})
    at = next((i for i, character in enumerate(word) if character in "<>=!"), len(word))
    name, comparisons = word[:at].strip(), word[at:].strip()
    if not name or name[0] not in NAME_FIRST or name.strip(NAME_REST):
        raise UsageError(f"{word!r} is neither an id nor a name with a range, such as 'db>=1,<2'")
    try:
        parse_range(comparisons or "*")
    except ValueError as reason:
        raise UsageError(f"{word!r}: {reason}") from None
    return Relation({"name": name, "version": comparisons} if comparisons else name)


def resolve(
    words: Sequence[str],
    available: Mapping[str, Declared],
    active: Iterable[str] = (),
    *,
    keep: bool = False,
) -> list[str]:
    """The ids of a set that has what `words` ask for (see `wanted`), and all that it requires.

    `available` has what the packages say of each other: their declarations, or their pkginfo. keep:
    what is active stays, in another version if need be, but for what the asked packages replace.
    Raises UsageError, NotFound for what nothing is called, Conflict for what can't be had together.
    """
    asked = [requested_package(word) for word in words]
    provider = _Provider(available, frozenset(active), {each.name for each in asked})
    roots = provider.kept(asked) if keep else []
    for word, relation in zip(words, asked, strict=True):
        requirement = provider.requirement(relation)
        if not requirement.ids:
            raise NotFound(f"{word}: {provider.missing(relation)}")
        roots.append(requirement)
    try:
        found = Resolver(provider, BaseReporter()).resolve(roots, max_rounds=MAX_STEPS)
    except ResolutionImpossible as impossible:
        raise Conflict(_explanation(impossible.causes, provider)) from None
    except ResolutionTooDeep:
        raise Conflict(
            "no set was found in a reasonable time: ask for fewer packages, or for their ids"
        ) from None
    ids = sorted({each.id for each in found.mapping.values() if each.id is not None})
    reasons = check({each: available[each] for each in ids})
    if reasons:
        raise Conflict("; ".join(reasons))
    return ids


class _Provider(AbstractProvider[Requirement, Candidate, str]):
    def __init__(
        self, available: Mapping[str, Declared], active: frozenset[str], asked: set[str]
    ) -> None:
        self.available = available
        self._active = active
        self._asked = asked
        self._bearers: dict[str, dict[str, str]] = {}  # a name: ids and the version each bears
        for package_id, declared in available.items():
            for name, version in names_of(package_id, declared):
                self._bearers.setdefault(name, {})[package_id] = version

    def requirement(self, relation: Relation) -> Requirement:
        return Requirement(
            relation.name, frozenset(self._meant(relation)), True, f"requires {relation}"
        )

    def kept(self, asked: Sequence[Relation]) -> list[Requirement]:
        """That the active packages be there, but for those that the asked ones replace."""
        gone: set[str] = set()
        for relation in asked:
            for best in self._ordered(relation.name, self._meant(relation))[:1]:
                gone |= replaced(self.available[best], self._active)
        names = {split_id(each)[0] for each in self._active - gone} - {r.name for r in asked}
        return [self.requirement(Relation(name)) for name in sorted(names)]

    def missing(self, relation: Relation) -> str:
        bearers = sorted(self._bearers.get(relation.name, ()))
        if not bearers:
            return f"no package is or provides {relation.name}"
        return f"there is only {', '.join(bearers)}"

    def identify(self, requirement_or_candidate: Requirement | Candidate) -> str:
        return requirement_or_candidate.name

    def get_preference(
        self,
        identifier: str,
        resolutions: Mapping[str, Candidate],  # noqa: ARG002
        candidates: Mapping[str, Iterator[Candidate]],
        information: Mapping[str, Iterator[Any]],  # noqa: ARG002
        backtrack_causes: Sequence[Any],  # noqa: ARG002
    ) -> Any:
        return sum(1 for _ in candidates[identifier]), identifier

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[Requirement]],
        incompatibilities: Mapping[str, Iterator[Candidate]],
    ) -> list[Candidate]:
        demands = list(requirements[identifier])
        tried = set(incompatibilities[identifier])
        if not any(each.needed for each in demands):
            matches = [Candidate(identifier, None)]
        else:
            ids = frozenset.intersection(*(each.ids for each in demands))
            matches = [Candidate(identifier, each) for each in self._ordered(identifier, ids)]
        return [each for each in matches if each not in tried]

    def is_satisfied_by(self, requirement: Requirement, candidate: Candidate) -> bool:
        if candidate.id is None:
            return not requirement.needed
        return candidate.id in requirement.ids

    def get_dependencies(self, candidate: Candidate) -> list[Requirement]:
        if candidate.id is None:
            return []
        name, version = split_id(candidate.id)
        if name != candidate.name:  # it bears a name that it provides: it has to be there itself
            words = f"is what provides {candidate.name}"
            return [Requirement(name, frozenset({candidate.id}), True, words)]
        declared = self.available[candidate.id]
        found = [
            self.requirement(each)
            for each in relations(declared, "requires")
            if not (each.name == name and each.admits(version))
        ]
        for word in ("conflicts", "replaces"):
            for against in relations(declared, word):
                found += self._excluded(candidate.id, against)
        return found

    def _excluded(self, package_id: str, against: Relation) -> Iterator[Requirement]:
        """That no package that is meant be in the set: for each name that one of them has."""
        meant = self._meant(against) - {package_id}
        for name in sorted({split_id(each)[0] for each in meant} - {split_id(package_id)[0]}):
            rest = frozenset(each for each in self._bearers[name] if each not in meant)
            yield Requirement(name, rest, False, f"can't be together with {against}")

    def _meant(self, relation: Relation) -> set[str]:
        return {
            package_id
            for package_id, version in self._bearers.get(relation.name, {}).items()
            if relation.admits(version) and variant_fits(relation, self.available[package_id])
        }

    def _ordered(self, name: str, ids: Iterable[str]) -> list[str]:
        """The ids, the preferred ones first. Raises Conflict where only chance could choose."""
        ranked: list[tuple[bool, bool, bool, Key, str]] = []
        for package_id in ids:
            own, version = split_id(package_id)
            order = key(version)
            keep = package_id in self._active and name not in self._asked
            ranked.append((keep, own == name, order is not None, order or (), package_id))
        ranked.sort(reverse=True)
        if len(ranked) > 1 and not ranked[0][0]:
            first, second = ranked[:2]
            kept = [each[-1] for each in ranked if each[-1] in self._active]
            if not first[2] and not second[2] and len(kept) != 1:
                both = ", ".join(sorted(each[-1] for each in ranked if not each[2]))
                raise Conflict(f"{name}: {both} have no order among them: ask for one by its id")
            if not first[2] and kept:
                ranked.sort(key=lambda each: each[-1] in self._active, reverse=True)
        return [each[-1] for each in ranked]


def _explanation(causes: Collection[Any], provider: _Provider) -> str:
    """Why there is no set: for each name in dispute, who asks what of it and what there is."""
    by_name: dict[str, dict[str, None]] = {}  # the words, in order, each once
    for requirement, parent in causes:
        who = f"{parent.id} " if parent is not None else "you asked for it: "
        words = requirement.words if parent is not None else requirement.words[len("requires ") :]
        by_name.setdefault(requirement.name, {})[f"{who}{words}"] = None
    sentences = []
    for name, words in by_name.items():
        ids = sorted(provider._bearers.get(name, ()))
        there = f"there is {', '.join(ids)}" if ids else "there is no such package"
        sentences.append(f"{'; '.join(words)} ({there})")
    return "no set of packages has all that is asked for: " + "; ".join(sentences)
