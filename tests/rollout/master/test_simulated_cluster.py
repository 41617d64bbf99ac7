"""The client of masters, against simulated masters that elect, recover, drain and die."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic

import pytest
from packager.base.errors import Temporary, Unavailable
from rollout.core.registry import Agent, Drain
from rollout.master.client import MasterClient, Reactivation, sight_patiently
from rollout.master.election import Election
from rollout.master.places import ElectionPlace, MasterPlace, parse_masters

from tests.support.cluster_process import ClusterProcess, cluster_process
from tests.support.zookeeper import need_zookeeper, zookeeper

PATIENCE = 60.0  # seconds


def places(cluster: ClusterProcess) -> tuple[MasterPlace, ...]:
    found = parse_masters(cluster.masters)
    assert isinstance(found, tuple)
    return found


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    limit = monotonic() + PATIENCE
    while not await condition():
        assert monotonic() < limit
        await asyncio.sleep(0.05)


def test_agents_are_seen_drained_and_given_back(tmp_path: Path) -> None:
    options = ("--agents=6", "--domain=eu/z1|z2", "--attributes=role:web|db")

    async def run(cluster: ClusterProcess) -> None:
        async with MasterClient(places(cluster)) as client:

            async def agents() -> dict[str, Agent]:
                registry = (await sight_patiently(client, PATIENCE)).registry
                return {agent.agent_id: agent for agent in registry.agents}

            async def all_are_there() -> bool:
                return len(await agents()) == 6

            await until(all_are_there)
            found = await agents()
            assert {each.placement.fault_domain for each in found.values()} == {
                ("eu", "z1"),
                ("eu", "z2"),
            }
            first, second, *_ = found
            await client.deactivate(first)
            await client.drain(second, 60)
            now = await agents()
            assert now[first].deactivated and now[first].drain is None
            assert now[second].deactivated and now[second].drain is Drain.DRAINED
            for each in (first, second):
                assert await client.reactivate(each) is Reactivation.DONE
                assert await client.reactivate(each) is Reactivation.NOT_NEEDED
            assert all(each.active for each in (await agents()).values())

    with cluster_process(tmp_path, *options) as cluster:
        asyncio.run(run(cluster))


def test_a_failover_leaves_agents_unknown_for_a_while_and_takes_none_for_gone(
    tmp_path: Path,
) -> None:
    need_zookeeper()

    async def run(cluster: ClusterProcess, address: str) -> None:
        election = Election(ElectionPlace(address, "/mesos"), scheme="http")
        async with MasterClient(election) as client, MasterClient(places(cluster)) as by_url:
            known: set[str] = set()

            async def all_are_there() -> bool:
                try:
                    known.update(each.agent_id for each in (await client.sight()).registry.agents)
                except (Unavailable, Temporary):
                    return False
                return len(known) == 4

            await until(all_are_there)
            before = await client.sight()
            assert (await by_url.sight()).place == before.place
            number = cluster.masters.index(before.place.url) + 1
            assert cluster.tell("masters", act="kill", number=number).ok

            async def another_leads() -> bool:
                for each in (client, by_url):
                    try:
                        sighting = await each.sight()
                    except (Unavailable, Temporary):
                        return False
                    assert sighting.master_id != before.master_id
                    registry = sighting.registry
                    seen = {agent.agent_id for agent in registry.agents}
                    assert seen | {agent.agent_id for agent in registry.recovered} == known
                return len(registry.agents) == 4

            await until(another_leads)

    with zookeeper(tmp_path) as server:
        election = f"--election=zk://{server.address}/mesos"
        options = ("--agents=4", "--masters=3", election, "--time-scale=0.4")
        with cluster_process(tmp_path, *options) as cluster:
            asyncio.run(run(cluster, server.address))


def test_nobody_in_zookeeper(tmp_path: Path) -> None:
    need_zookeeper()

    async def run(address: str) -> None:
        async with MasterClient(Election(ElectionPlace(address, "/x"), scheme="http")) as client:
            with pytest.raises(Unavailable, match="no master has ever been at zk://"):
                await client.sight()

    with zookeeper(tmp_path) as server:
        asyncio.run(run(server.address))
