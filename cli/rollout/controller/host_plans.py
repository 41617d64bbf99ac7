"""What an apply would change on the hosts, told by themselves; equal plans are one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from packager.base.errors import PackagerError

from rollout.core.outcomes import fence_told
from rollout.core.registry import HostId
from rollout.hosts.access import HostAccess, open_hosts
from rollout.hosts.client import Cut, HostRefused, NotReached
from rollout.hosts.sweep import sweep

PLAN = "/provisioner/plan.json"
CONCURRENCY = 100  # hosts
OF_ONE_HOST = ("applied", "interrupted")  # numbers of its own runs


@dataclass(frozen=True)
class PlanGroup:
    """Hosts with one plan, or with one cause for which there is none. plan: None if there is none;
    cause: then why."""

    hosts: tuple[HostId, ...]
    plan: dict[str, Any] | None
    cause: str = ""


class OlderHost(PackagerError):
    """It can't take part in a rollout."""


async def host_plans(
    hosts: Sequence[HostId], profile: bytes, access: HostAccess
) -> list[PlanGroup]:
    """Ask these hosts; the largest group comes first. Raises UsageError, ConfigError, PackagerError
    for the credentials' file."""
    async with open_hosts(access) as clients:

        async def ask(host: HostId) -> dict[str, Any]:
            if fence_told(await clients.provisioner(host).history()) is None:
                raise OlderHost("its provisioner is older, and knows no fences")
            return await clients.client(host).document(PLAN, body=profile)

        answers = await sweep(hosts, ask, concurrency=CONCURRENCY)
    return grouped(answers)


def grouped(answers: dict[HostId, dict[str, Any] | PackagerError]) -> list[PlanGroup]:
    """The answers by what they say, the most frequent first. Pure."""
    groups: dict[str, list[HostId]] = {}
    for host, answer in answers.items():
        groups.setdefault(_kind(answer), []).append(host)
    found: list[PlanGroup] = []
    for hosts in groups.values():
        answer = answers[hosts[0]]
        if isinstance(answer, PackagerError):
            found.append(PlanGroup(tuple(hosts), None, _cause(answer)))
        else:
            found.append(PlanGroup(tuple(hosts), _of_all(answer)))
    return sorted(found, key=lambda group: -len(group.hosts))


def _kind(answer: dict[str, Any] | PackagerError) -> str:
    if isinstance(answer, PackagerError):
        return f"cause {_cause(answer)}"
    return json.dumps(_of_all(answer), sort_keys=True)


def _of_all(plan: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in plan.items() if name not in OF_ONE_HOST}


def _cause(reason: PackagerError) -> str:
    """The reason without anything of the one host in it."""
    if isinstance(reason, HostRefused):
        return reason.words or f"status {reason.status}"
    if isinstance(reason, OlderHost):
        return str(reason)
    if isinstance(reason, NotReached):
        return "it can't be connected to"
    return "its answer was lost" if isinstance(reason, Cut) else "its answer is no plan"
