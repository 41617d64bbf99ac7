"""A plan as a document for people and programs: what would be done, exactly. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from packager.activation.planning import Plan
    from packager.generations.document import Generation
    from packager.generations.published_links import Published


def document(plan: Plan) -> dict[str, object]:
    """The plan, JSON-able. Keys are always there; lists are sorted and may be empty."""
    before, after = plan.current, plan.target
    old = before.names if before is not None else {}
    new = after.names
    return {
        "changed": plan.changed,
        "generation": {"from": before.number if before is not None else None, "to": after.number},
        "roles": {
            "from": list(before.roles) if before is not None else [],
            "to": list(after.roles),
        },
        "packages": {
            "activate": sorted(new[name] for name in new.keys() - old.keys()),
            "deactivate": sorted(old[name] for name in old.keys() - new.keys()),
            "swap": [
                {"name": name, "from": old[name], "to": new[name]}
                for name in sorted(old.keys() & new.keys())
                if old[name] != new[name]
            ],
        },
        "links": _links(plan.leaving, plan.entering),
        "environment": _environment(before, after),
        "edited": [each.document() for each in plan.edited],
        "host": plan.host,
    }


def _links(leaving: Iterable[Published], entering: Iterable[Published]) -> dict[str, object]:
    """Links that come, go, or lead to another file than before."""
    old, new = _owners(leaving), _owners(entering)

    def described(paths: Iterable[str], owners: dict[str, tuple[str, str]]) -> list[dict[str, str]]:
        return [{"path": path, "package": owners[path][0]} for path in sorted(paths)]

    return {
        "add": described(new.keys() - old.keys(), new),
        "remove": described(old.keys() - new.keys(), old),
        "change": described((p for p in new.keys() & old.keys() if new[p] != old[p]), new),
    }


def _owners(packages: Iterable[Published]) -> dict[str, tuple[str, str]]:
    """Whose link is at each path, and where it leads to: of packages that share a file the first
    by name has it."""
    return {
        path: (each.id, source)
        for each in sorted(packages, key=lambda each: each.name, reverse=True)
        for path, source in each.links.items()
    }


def _environment(before: Generation | None, after: Generation) -> dict[str, object]:
    old = _variables(before) if before is not None else {}
    new = _variables(after)
    return {
        "set": {key: new[key] for key in sorted(new) if old.get(key) != new[key]},
        "unset": sorted(old.keys() - new.keys()),
    }


def _variables(generation: Generation) -> dict[str, str]:
    found: dict[str, str] = {}
    for declared in generation.packages.values():
        values = declared.get("environment")
        if isinstance(values, dict):
            found.update((key, str(value)) for key, value in values.items())
    return found
