"""What packager would do for a desired state, before the package of the configuration is in the
store."""

from __future__ import annotations

from packager.api import (
    Packages,
    Published,
    Request,
    make_plan,
    publish,
    refuse_unless_booted,
    refuse_without_systemd,
    required_units,
    translated,
)

from provisioner.desired.configuration_package import (
    configuration_manifest,
    configuration_owners,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.api import Declarations, HostOptions, Plan

    from provisioner.desired.desired_state import DesiredState


def activation_request(desired: DesiredState, options: HostOptions) -> Request:
    """The request to packager that makes the desired state active."""
    return Request("activate", desired.all_packages, roles=desired.roles, options=options)


def plan_activation(root: str, desired: DesiredState, options: HostOptions) -> Plan:
    """What the activation would do; no package may be missing. Nothing is changed.

    Raises Conflict for what would be refused, PackagerError.
    """
    with translated(root):
        packages = _WithConfiguration(root, desired)
        return make_plan(root, activation_request(desired, options), packages)


def refuse_without_needed_systemd(
    root: str, desired: DesiredState, plan: Plan, options: HostOptions
) -> None:
    """Raise ConfigError, before anything has changed, if systemd has a part in the apply and this
    host was not booted with one: it, and the way back, would fail half way."""
    if not options.systemd:
        return
    refuse_without_systemd(plan.host, plan.context)
    if (
        required_units(root, plan.target, options)
        or any(each.restart for each in desired.configuration.files)
        or desired.profile.health.units
    ):
        refuse_unless_booted()


class _WithConfiguration(Packages):
    """The store's packages, and the one of the configuration, from memory."""

    def __init__(self, root: str, desired: DesiredState) -> None:
        super().__init__(root)
        self._own_id = desired.configuration.package_id
        self._own_entries = b"[]"
        self._owners = configuration_owners(desired.configuration.files)
        if self._own_id is not None:
            manifest = configuration_manifest(desired.configuration, desired.profile)
            self._own_entries = manifest.text

    def has(self, package_id: str) -> bool:
        return package_id == self._own_id or super().has(package_id)

    def published(self, package_id: str, roles: tuple[str, ...]) -> Published:
        if package_id != self._own_id:
            return super().published(package_id, roles)
        return publish(package_id, self._own_entries, roles)

    def entries(self, package_id: str) -> bytes:
        return self._own_entries if package_id == self._own_id else super().entries(package_id)

    def declarations(self, package_id: str, roles: tuple[str, ...]) -> Declarations:
        if package_id != self._own_id:
            return super().declarations(package_id, roles)
        return {"owners": self._owners} if self._owners else {}  # it has no empty directory
