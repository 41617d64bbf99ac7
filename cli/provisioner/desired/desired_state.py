"""What a profile comes to on this host: its packages, its configuration. Found out, nothing done.

`plan` and `apply` share it; the difference is that apply fetches what is missing and comes back.
"""

from __future__ import annotations

from packager.generations.document import active_generation
from packager.store.write_session import translated

from provisioner.desired import configuration_package, package_selection
from provisioner.profile import secret_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from packager.base.events import Emit
    from packager.generations.document import Generation
    from packager.repositories.candidates import Candidate, Repositories
    from packager.repositories.configuration_file import Repository

    from provisioner.base.options import Settings
    from provisioner.desired.configuration_package import Configuration
    from provisioner.profile.document import Profile


class Intent:
    """What is wanted. ids: the packages, sorted, without that of the configuration; missing: those
    of them that have to be fetched."""

    __slots__ = ("configuration", "current", "ids", "missing", "profile", "roles", "secrets")

    def __init__(
        self,
        profile: Profile,
        current: Generation | None,
        roles: tuple[str, ...],
        secrets: dict[str, str],
        ids: list[str],
        missing: list[Candidate],
        made: Configuration,
    ) -> None:
        self.profile = profile
        self.current = current
        self.roles = roles
        self.secrets = secrets
        self.ids = ids
        self.missing = missing
        self.configuration = made

    @property
    def all_ids(self) -> list[str]:
        """The whole set, sorted."""
        own = [self.configuration.id] if self.configuration.id else []
        return sorted([*self.ids, *own])


class Finder:
    """Finds out, for one profile, what it comes to; opens the repositories once, if at all.

    key: of keyed digests. scratch: a private directory of the store, or None: then nothing is
    written, not even what was seen of signed repositories.
    """

    def __init__(
        self,
        root: str,
        profile: Profile,
        settings: Settings,
        *,
        key: bytes,
        emit: Emit,
        scratch: str | None = None,
    ) -> None:
        self._root = root
        self._profile = profile
        self._settings = settings
        self._key = key
        self._emit = emit
        self._scratch = scratch
        self._opened: Repositories | None = None
        self._facts: dict[str, Any] | None = None
        self.secrets = secret_values.read(profile.secrets, emit)

    def find(self, only: list[str] | None = None) -> Intent:
        """The intent. only: take these very packages and not the profile's words. Raises NotFound,
        Conflict, DataError, ConfigError; what reading a repository raises."""
        with translated(self._root):
            current = active_generation(self._root)
            roles = self._profile.roles
            if roles is None:
                roles = self._settings.host.roles()
        choice = package_selection.choose(
            self._root,
            self._profile.packages if only is None else only,
            current.packages if current is not None else (),
            self.repositories if self._configured() else None,
            upgrade=self._settings.upgrade,
        )
        made = configuration_package.make(
            self._root,
            self._profile,
            ids=choice.ids,
            roles=roles,
            secrets=self.secrets,
            key=self._key,
            facts=self.facts,
        )
        return Intent(self._profile, current, roles, self.secrets, choice.ids, choice.missing, made)

    def facts(self) -> Mapping[str, Any]:
        """What templates see of the host, found out once."""
        if self._facts is None:
            from provisioner.facts import host_facts

            self._facts = host_facts.for_templates()
        return self._facts

    def repositories(self) -> Repositories:
        """The repositories, opened as they are asked. Raises ConfigError if there are none."""
        if self._opened is None:
            from packager.repositories.candidates import Repositories

            self._opened = Repositories(
                self._configured(),
                self._root,
                policy=self._settings.policy,
                emit=self._emit,
                scratch=self._scratch,
            )
        return self._opened

    def _configured(self) -> tuple[Repository, ...]:
        from packager.repositories import configuration_file

        if self._profile.repositories is not None:
            return configuration_file.repositories(self._profile.repositories, "the profile")
        return configuration_file.load(self._settings.config_path)
