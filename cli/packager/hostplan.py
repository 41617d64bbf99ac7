"""What packages say of the host they run on, and what changes there when the active set does.

Pure: the facts of each package are taken from its tree once, when it becomes active, and are kept in
the generation's document. Every later decision is made from those facts, and no package is read
again.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.manifest import Record

    Facts = dict[str, object]  # JSON-able; of one package
    HostPlan = dict[str, object]  # JSON-able; empty: the host stays as it is


def facts(package_id: str, tree_path: str, record: Record) -> Facts:
    """What the package says of the host. `tree_path` is its installed tree, `record` its record.

    Keys whose value would be empty are left out, so that a package that says nothing has {}.
    """
    del package_id, tree_path
    found: Facts = {}
    environment = (record.pkginfo or {}).get("environment")
    if environment:
        found["environment"] = environment
    return found


def conflicts(facts_by_id: dict[str, Facts]) -> list[str]:
    """Why packages with these facts can't be active together, one sentence each; empty if they can.

    Files and links are not looked at here: see `clashes`.
    """
    del facts_by_id
    return []


def difference(old: dict[str, Facts], new: dict[str, Facts]) -> HostPlan:
    """What has to be done to the host when the active set goes from `old` to `new` (ids to facts)."""
    del old, new
    return {}
