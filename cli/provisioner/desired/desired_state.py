"""The desired state: what a profile means for this host, its packages and its configuration.

`plan` and `apply` share it: plan shows what is missing, apply downloads it and resolves again.
"""

from __future__ import annotations

from packager.api import active_generation, translated
from packager.base.debug_log import debug

from provisioner.desired import package_selection
from provisioner.desired.render_configuration import render_configuration
from provisioner.profile.secret_values import read_secrets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from packager.api import Candidate, Generation, Repositories, Repository
    from packager.base.events import Emit

    from provisioner.base.command_options import CommandOptions
    from provisioner.desired.configuration import Configuration
    from provisioner.profile.model import Profile


class DesiredState:
    """active: the generation that is active now. secrets: their texts by name. packages: ids,
    sorted, without that of the configuration. missing: those of them that have to be downloaded."""

    __slots__ = ("active", "configuration", "missing", "packages", "profile", "roles", "secrets")

    def __init__(
        self,
        profile: Profile,
        active: Generation | None,
        roles: tuple[str, ...],
        secrets: Mapping[str, str],
        packages: list[str],
        missing: list[Candidate],
        configuration: Configuration,
    ) -> None:
        self.profile = profile
        self.active = active
        self.roles = roles
        self.secrets = secrets
        self.packages = packages
        self.missing = missing
        self.configuration = configuration

    @property
    def all_packages(self) -> list[str]:
        """The ids of the whole set, that of the configuration included, sorted."""
        own = [self.configuration.package_id] if self.configuration.package_id else []
        return sorted([*self.packages, *own])

    @property
    def active_configuration_id(self) -> str | None:
        """The id of the package with the configuration that is active now."""
        if self.active is None:
            return None
        return self.active.names.get(self.profile.config_name)


class DesiredStateResolver:
    """Resolves one profile to a desired state; opens the repositories once, if at all.

    key: of keyed digests. scratch: a private directory of the store, or None: then nothing is
    written, not even what is remembered of signed repositories.
    """

    def __init__(
        self,
        root: str,
        profile: Profile,
        options: CommandOptions,
        *,
        key: bytes,
        emit: Emit,
        scratch: str | None = None,
    ) -> None:
        self._root = root
        self._profile = profile
        self._options = options
        self._key = key
        self._emit = emit
        self._scratch = scratch
        self._repositories: Repositories | None = None
        self._facts: Mapping[str, object] | None = None
        self._secrets = read_secrets(profile.secrets, emit)

    @property
    def secrets(self) -> Mapping[str, str]:
        """The texts of the profile's secrets, by name."""
        return self._secrets

    def resolve(self, only: list[str] | None = None) -> DesiredState:
        """The desired state. only: these packages, in place of those that the profile selects.
        Raises NotFound, Conflict, DataError, ConfigError; what reading a repository raises."""
        with translated(self._root):
            active = active_generation(self._root)
            roles = self._profile.roles
            if roles is None:
                roles = self._options.host.roles()
        selection = package_selection.select_packages(
            self._root,
            self._profile.packages if only is None else only,
            active.packages if active is not None else (),
            self.repositories if self._configured_repositories() else None,
            upgrade=self._options.upgrade,
        )
        configuration = render_configuration(
            self._root,
            self._profile,
            ids=selection.packages,
            roles=roles,
            secrets=self._secrets,
            key=self._key,
            facts=self._host_facts,
        )
        debug(
            lambda: (
                f"desired state: packages {selection.packages}, to be downloaded "
                f"{[each.id for each in selection.missing]}, roles {list(roles)}, configuration "
                f"{configuration.package_id}, rendered with facts {sorted(configuration.facts)}"
            )
        )
        return DesiredState(
            self._profile,
            active,
            roles,
            self._secrets,
            selection.packages,
            selection.missing,
            configuration,
        )

    def repositories(self) -> Repositories:
        """The repositories, each read when it is first used. Raises ConfigError if there are
        none."""
        if self._repositories is None:
            from packager.api import Repositories

            self._repositories = Repositories(
                self._configured_repositories(),
                self._root,
                policy=self._options.download_policy,
                emit=self._emit,
                scratch=self._scratch,
            )
        return self._repositories

    def _host_facts(self) -> Mapping[str, object]:
        if self._facts is None:
            from provisioner.facts import host_facts

            self._facts = host_facts.template_facts()
        return self._facts

    def _configured_repositories(self) -> tuple[Repository, ...]:
        from packager.api import check_repositories, load_configuration

        if self._profile.repositories is not None:
            return check_repositories(self._profile.repositories, "the profile")
        return load_configuration(self._options.config_path)
