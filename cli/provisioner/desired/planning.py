"""What packager would do about an intent, before the configuration's package is in the store."""

from __future__ import annotations

from packager.activation.planning import Packages, Request, make_plan
from packager.generations.published_links import Published, publish
from packager.store.write_session import translated

from provisioner.desired import configuration_package

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.activation.planning import Plan
    from packager.package.declarations import Declarations

    from provisioner.base.options import Settings
    from provisioner.desired.desired_state import Intent


def request(intent: Intent, settings: Settings) -> Request:
    """What packager is asked for."""
    return Request("activate", intent.all_ids, roles=intent.roles, options=settings.host)


def planned(root: str, intent: Intent, settings: Settings) -> Plan:
    """What an activation would do; nothing of the intent may be missing. Nothing is changed.

    Raises Conflict for what would be refused, PackagerError.
    """
    with translated(root):
        return make_plan(root, request(intent, settings), _WithConfiguration(root, intent))


class _WithConfiguration(Packages):
    """The store's packages, and the one of the configuration, from memory."""

    def __init__(self, root: str, intent: Intent) -> None:
        super().__init__(root)
        self._made = intent.configuration
        self._entries = b"[]"
        if self._made.id is not None:
            self._entries = configuration_package.manifest(self._made, intent.profile).text

    def has(self, package_id: str) -> bool:
        return package_id == self._made.id or super().has(package_id)

    def published(self, package_id: str, roles: tuple[str, ...]) -> Published:
        if package_id != self._made.id:
            return super().published(package_id, roles)
        return publish(package_id, self._entries, roles)

    def declarations(self, package_id: str, roles: tuple[str, ...]) -> Declarations:
        # It says nothing of itself but a description, and has no empty directory.
        return {} if package_id == self._made.id else super().declarations(package_id, roles)
