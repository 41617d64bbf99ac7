"""A host whose commands write what they decide and why."""

from __future__ import annotations

from tests.support.profile_host import Host


class DebuggedHost(Host):
    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "PACKAGER_DEBUG": "1"}
