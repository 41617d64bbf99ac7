"""The options that all commands have which carry a rollout on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollout.controller.access import Access
from rollout.controller.session import Session
from rollout.core.events import Listener
from rollout.hosts.access import HostAccess
from rollout.records.journal import default_path


@dataclass(frozen=True)
class Chosen:
    """What a command line says about masters, hosts and the journal."""

    access: Access
    hosts: HostAccess
    journal: Path
    stay: bool

    def session(self, listener: Listener) -> Session:
        """For a controller."""
        return Session(self.access, self.hosts, listener, stay=self.stay)


def chosen(given: dict[str, Any]) -> Chosen:
    """The options of `options.CARRIES_ON`, by their names."""
    return Chosen(
        master_access(given),
        host_access(given),
        journal_path(given["journal"]),
        given["stay"],
    )


def master_access(given: dict[str, Any]) -> Access:
    """The options of `options.ACCESS`, by their names."""
    return Access(
        given["credentials"], given["zk_credentials"], given["ca"], given["https"], given["wait"]
    )


def host_access(given: dict[str, Any]) -> HostAccess:
    """The options of `options.AGENTS`, by their names."""
    networks = given["agent_networks"]
    return HostAccess(
        given["agent_credentials"],
        given["agent_https"],
        given["trust_network"],
        given["ca"],
        tuple(each for each in (networks or "").split(",") if each),
    )


def journal_path(journal: str | None) -> Path:
    """Where the journal is."""
    return default_path() if journal is None else Path(journal)
