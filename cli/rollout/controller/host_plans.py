"""What an apply would change on the hosts, told by themselves; equal plans are one."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from packager import __version__
from packager.base.errors import PackagerError, UsageError
from packager.base.optional_libraries import required_library

from rollout.base.credentials import read_credentials
from rollout.controller.access import tls_context
from rollout.core.registry import HostId
from rollout.hosts.client import Cut, HostClient, HostRefused, NotReached
from rollout.hosts.sweep import sweep

with required_library("hosts", extra="rollout"):
    import aiohttp

PLAN = "/provisioner/plan.json"
CONCURRENCY = 100  # hosts
OF_ONE_HOST = ("applied", "interrupted")  # numbers of its own runs


@dataclass(frozen=True)
class HostAccess:
    """credentials: the path of a file. https: whether agents speak TLS. trust_network: whether they
    get credentials without it. ca: see `Access`."""

    credentials: str | None
    https: bool
    trust_network: bool
    ca: str | None


@dataclass(frozen=True)
class PlanGroup:
    """Hosts with one plan, or with one cause for which there is none. plan: None if there is none;
    cause: then why."""

    hosts: tuple[HostId, ...]
    plan: dict[str, Any] | None
    cause: str = ""


async def host_plans(
    hosts: Sequence[HostId], profile: bytes, access: HostAccess
) -> list[PlanGroup]:
    """Ask these hosts; the largest group comes first. Raises UsageError, ConfigError, PackagerError
    for the credentials' file."""
    headers = {"User-Agent": f"rollout/{__version__}", **_authorization(access)}
    scheme = "https" if access.https else "http"
    connector = aiohttp.TCPConnector(limit=CONCURRENCY, ssl=tls_context(access.ca) or True)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def ask(host: HostId) -> dict[str, Any]:
            client = HostClient(session, host, scheme=scheme, headers=headers)
            return await client.document(PLAN, body=profile)

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
    if isinstance(reason, NotReached):
        return "it can't be connected to"
    return "its answer was lost" if isinstance(reason, Cut) else "its answer is no plan"


def _authorization(access: HostAccess) -> dict[str, str]:
    if access.credentials is None:
        return {}
    if not access.https and not access.trust_network:
        raise UsageError(
            "credentials for agents would go over plain HTTP to whatever has registered as an "
            "agent: have agents speak TLS (--agent-https), or say --trust-network"
        )
    words = ":".join(read_credentials(access.credentials))
    return {"Authorization": f"Basic {b64encode(words.encode()).decode()}"}
