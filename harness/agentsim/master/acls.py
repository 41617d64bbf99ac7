"""Who may do what: the ACLs of a Mesos master, as far as its simulated calls ask for them.

The file is Mesos's own (`--acls`): for each action rules with principals and objects, of which the
first whose principals match decides; where none does, `permissive` (true unless said otherwise).

Source: Mesos docs/authorization.md, `authorizer/local/authorizer.cpp`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

#: What the rules of each action are called in the file.
ACTIONS: Final[Mapping[str, str]] = {
    "DRAIN_AGENT": "drain_agents",
    "DEACTIVATE_AGENT": "deactivate_agents",
    "REACTIVATE_AGENT": "reactivate_agents",
    "MARK_AGENT_GONE": "mark_agents_gone",
    "UPDATE_MAINTENANCE_SCHEDULE": "update_maintenance_schedules",
    "GET_ENDPOINTS": "get_endpoints",
    "VIEW_FLAGS": "view_flags",
}
_OBJECTS: Final = ("agents", "flags", "machines", "paths")


class BadAcls(ValueError):
    """ACLs that can't be used; the text names the place and the reason."""


@dataclass(frozen=True, slots=True)
class _Rule:
    principals: frozenset[str] | None  # None: any
    none: bool  # principals of type NONE: the rule is for nobody
    allows: bool


@dataclass(frozen=True, slots=True)
class Acls:
    """Rules by action, and what holds where none matches."""

    rules: Mapping[str, tuple[_Rule, ...]]
    permissive: bool = True

    def allowed(self, principal: str | None) -> frozenset[str]:
        """The actions that a principal may do; None is anybody."""
        return frozenset(each for each in ACTIONS if self._allows(each, principal))

    def _allows(self, action: str, principal: str | None) -> bool:
        for rule in self.rules.get(action, ()):
            if rule.none:
                continue
            if rule.principals is None or principal in rule.principals:
                return rule.allows
        return self.permissive


EVERYTHING: Final = Acls({})


def read_acls(path: Path) -> Acls:
    """The ACLs of a file.

    Raises:
        BadAcls: it can't be read or understood.
    """
    try:
        return parse_acls(json.loads(path.read_bytes()))
    except OSError as error:
        raise BadAcls(f"{path}: can't be read: {error.strerror}") from None
    except BadAcls as error:
        raise BadAcls(f"{path}: {error}") from None
    except ValueError as error:
        raise BadAcls(f"{path}: not JSON: {error}") from None


def parse_acls(document: Any) -> Acls:
    """The ACLs that a document is.

    Raises:
        BadAcls: it is none.
    """
    if not isinstance(document, dict):
        raise BadAcls("expected an object")
    rules = {}
    for action, name in ACTIONS.items():
        entries = document.get(name, [])
        if not isinstance(entries, list):
            raise BadAcls(f"/{name}: expected a list")
        rules[action] = tuple(
            _rule(entry, f"/{name}/{index}") for index, entry in enumerate(entries)
        )
    permissive = document.get("permissive", True)
    if not isinstance(permissive, bool):
        raise BadAcls("/permissive: expected true or false")
    return Acls(rules, permissive)


def _rule(entry: Any, place: str) -> _Rule:
    if not isinstance(entry, dict):
        raise BadAcls(f"{place}: expected an object")
    kind, values = _entity(entry.get("principals"), f"{place}/principals")
    objects = next((entry[name] for name in _OBJECTS if name in entry), None)
    allowed, _ = _entity(objects, f"{place}/agents")
    return _Rule(values if kind == "SOME" else None, kind == "NONE", allowed != "NONE")


def _entity(entity: Any, place: str) -> tuple[str, frozenset[str]]:
    if not isinstance(entity, dict):
        raise BadAcls(f'{place}: expected {{"values": […]}} or {{"type": "ANY"}}')
    kind = entity.get("type", "SOME")
    values = entity.get("values", [])
    if kind not in ("SOME", "ANY", "NONE") or not isinstance(values, list):
        raise BadAcls(f'{place}: expected {{"values": […]}} or {{"type": "ANY"}}')
    return kind, frozenset(map(str, values))
