"""The client of masters, against what real ones were recorded to answer."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Sequence

import pytest
from aiohttp import web
from packager.base.errors import Denied, ProtocolError, Temporary, Unavailable
from rollout.master.client import (
    CallRefused,
    Limits,
    MasterClient,
    Reactivation,
    sight_patiently,
)
from rollout.master.places import MasterPlace, elected, parse_masters

from tests.rollout.master.recorded_masters import (
    MASTER,
    RecordedMaster,
    masters,
    recorded,
    redirect,
)

Scene = Callable[[MasterClient, Sequence[RecordedMaster]], Awaitable[None]]


def play(scene: Scene, *, count: int = 1, named: int | None = None) -> None:
    """Run a scene with so many masters, of which the first `named` are known to the client."""

    async def run() -> None:
        async with masters(count) as found:
            places = tuple(each.place for each in found[: named or count])
            limits = Limits(connect=5, answer=20)
            async with MasterClient(
                places, credentials=("ops", "s:ecret"), limits=limits
            ) as client:
                await scene(client, found)

    asyncio.run(run())


def test_agents_are_seen_with_credentials_and_without_a_charset() -> None:
    async def scene(client: MasterClient, found: Sequence[RecordedMaster]) -> None:
        sighting = await client.sight()
        assert len(sighting.registry.agents) == 6
        assert sighting.place == found[0].place
        assert [each.method for each in found[0].asked] == ["POST", "GET", "POST"]
        for each in found[0].asked:
            assert each.headers["Authorization"] == "Basic b3BzOnM6ZWNyZXQ="
        assert found[0].asked[0].headers["Content-Type"] == "application/json"
        assert not found[0].asked[1].headers["User-Agent"].startswith("libprocess")

    play(scene)


def test_empty_is_not_empty_before_the_master_has_recovered() -> None:
    """In the first moments all paths are 404; then /slaves is 200, and empty."""

    async def scene(client: MasterClient, found: Sequence[RecordedMaster]) -> None:
        (master,) = found
        master.tell("/slaves", "list: slaves-empty")
        master.tell("GET_MASTER", "before-recovery: GET_AGENTS", "before-recovery: GET_AGENTS #2")
        for _ in range(2):
            with pytest.raises(Temporary, match="has not recovered yet"):
                await client.sight()
        # It recovers, but was not the same one when it was first asked.
        master.tell("GET_MASTER", "zookeeper: leader-get-master", MASTER)
        with pytest.raises(Temporary, match="has changed"):
            await client.sight()
        assert not (await client.sight()).registry.agents

    play(scene)


def test_waiting_for_a_leader_that_has_recovered() -> None:
    async def scene(client: MasterClient, found: Sequence[RecordedMaster]) -> None:
        found[0].tell(
            "GET_MASTER", "before-recovery: GET_AGENTS", "before-recovery: GET_AGENTS #2", MASTER
        )
        assert (await sight_patiently(client, 30, interval=0.01)).registry.agents
        found[0].tell("GET_MASTER", "before-recovery: GET_AGENTS")
        with pytest.raises(Temporary):
            await sight_patiently(client, 0.05, interval=0.01)

    play(scene)


def test_redirects_are_followed_to_masters_that_were_named() -> None:
    async def scene(client: MasterClient, found: Sequence[RecordedMaster]) -> None:
        first, second = found
        for kind in ("GET_MASTER", "/slaves"):
            first.tell(kind, redirect(f"//{second.place.netloc}/master/slaves"))
        assert (await client.sight()).place == second.place
        assert len(first.asked) == 1  # from then on it is known who leads

    play(scene, count=2)


def test_a_stranger_is_not_followed_and_gets_no_credentials() -> None:
    async def scene(client: MasterClient, found: Sequence[RecordedMaster]) -> None:
        first, stranger = found
        first.tell("GET_MASTER", redirect(f"//{stranger.place.netloc}/master/api/v1"))
        with pytest.raises(ProtocolError, match="none of the masters that were named"):
            await client.sight()
        assert not stranger.asked

    play(scene, count=2, named=1)


@pytest.mark.parametrize("location", ["", "//", "//u:p@h:1/", "http://[", "//h:x/", "/slaves"])
def test_redirects_to_nowhere(location: str) -> None:
    async def scene(client: MasterClient, found: Sequence[RecordedMaster]) -> None:
        found[0].tell("GET_MASTER", redirect(location))
        with pytest.raises(ProtocolError, match="none of the masters"):
            await client.sight()

    play(scene)


def test_while_the_others_point_to_the_dead_one_nobody_leads() -> None:
    async def scene(client: MasterClient, found: Sequence[RecordedMaster]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            dead = MasterPlace("http", "127.0.0.1", closed.getsockname()[1])
        for each in found:
            each.tell("GET_MASTER", redirect(f"//{dead.netloc}/master/api/v1"))
        places = (dead, *(each.place for each in found))
        async with MasterClient(places) as client_of_three:
            with pytest.raises(Unavailable, match="no master leads"):
                await client_of_three.sight()
            found[1].tell("GET_MASTER", MASTER)
            assert (await client_of_three.sight()).place == found[1].place

    play(scene, count=2)


def test_who_knows_no_leader_and_who_leads_in_circles() -> None:
    async def scene(client: MasterClient, found: Sequence[RecordedMaster]) -> None:
        first, second = found
        first.tell("GET_MASTER", "zookeeper: first-master GET /maintenance/status 503")
        second.tell("GET_MASTER", redirect(f"//{second.place.netloc}"))
        with pytest.raises(Unavailable, match=r"knows no leader.*in a circle"):
            await client.sight()

    play(scene, count=2)


@pytest.mark.parametrize(
    ("name", "words"),
    [("auth: api-none", "give credentials"), ("auth: viewer-drain_agent", "forbids")],
)
def test_who_may_not(name: str, words: str) -> None:
    async def scene(client: MasterClient, found: Sequence[RecordedMaster]) -> None:
        found[0].tell("GET_MASTER", name)
        with pytest.raises(Denied, match=words):
            await client.sight()
        found[0].tell("DRAIN_AGENT", name)
        with pytest.raises(Denied, match=words):
            await client.drain("S1", 10)

    play(scene)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("deactivate: reactivate", Reactivation.DONE),
        ("lifecycle: reactivate-unreachable", Reactivation.DONE),
        ("deactivate: reactivate-again", Reactivation.NOT_NEEDED),
        ("errors: reactivate-unknown", Reactivation.NOT_NEEDED),
        ("task-drain: stuck-draining-reactivate", Reactivation.STILL_DRAINING),
    ],
)
def test_what_became_of_a_reactivation(name: str, outcome: Reactivation) -> None:
    async def scene(client: MasterClient, found: Sequence[RecordedMaster]) -> None:
        found[0].tell("REACTIVATE_AGENT", name)
        assert await client.reactivate("S1") is outcome

    play(scene)


def test_a_grace_is_whole_seconds_in_an_object() -> None:
    """Other forms are taken for none, and tasks are killed at once."""

    async def scene(client: MasterClient, found: Sequence[RecordedMaster]) -> None:
        found[0].tell("DRAIN_AGENT", "drain: drain-with-grace")
        await client.drain("S1", 0.2)
        asked = json.loads(found[0].asked[-1].body)
        assert asked == {
            "type": "DRAIN_AGENT",
            "drain_agent": {"agent_id": {"value": "S1"}, "max_grace_period": {"seconds": 1}},
        }

    play(scene)


def test_a_refusal_has_the_masters_words() -> None:
    async def scene(client: MasterClient, found: Sequence[RecordedMaster]) -> None:
        found[0].tell("DRAIN_AGENT", "drain: drain-agent-without-capability")
        with pytest.raises(CallRefused, match="is not capable"):
            await client.drain("S7", 10)
        found[0].tell("DEACTIVATE_AGENT", "errors: deactivate-unknown")
        with pytest.raises(CallRefused, match="Unknown agent"):
            await client.deactivate("nope")

    play(scene)


def test_what_is_no_master() -> None:
    async def scene(client: MasterClient, found: Sequence[RecordedMaster]) -> None:
        found[0].tell("GET_MASTER", web.Response(text="<html>welcome</html>"))
        with pytest.raises(ProtocolError, match="not as a Mesos master does"):
            await client.sight()
        found[0].tell("GET_MASTER", web.Response(status=500, text="oops\x1b[2J"))
        with pytest.raises(ProtocolError, match="status 500") as refused:
            await client.sight()
        assert "\x1b" not in str(refused.value)

    play(scene)


def test_a_master_that_stands_still_is_given_up() -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            place = MasterPlace("http", "127.0.0.1", silent.getsockname()[1])
            async with MasterClient((place,), limits=Limits(answer=0.2)) as client:
                with pytest.raises(Unavailable, match="does not answer in time"):
                    await client.sight()

    asyncio.run(run())


def test_the_leader_in_zookeeper_is_the_lowest_number() -> None:
    def node(port: int) -> bytes:
        return json.dumps({"address": {"hostname": "127.0.0.1", "ip": "x", "port": port}}).encode()

    nodes = {"json.info_0000000010": node(3), "json.info_0000000009": node(2), "log_replicas": b""}
    assert [each.port for each in elected(nodes, "http")] == [2, 3]
    with pytest.raises(ProtocolError):
        elected({"json.info_0000000001": b"{}"}, "http")


def test_places() -> None:
    place = parse_masters(["zk://a:2181,b:2181/mesos/"])
    assert (getattr(place, "hosts", ""), getattr(place, "path", "")) == ("a:2181,b:2181", "/mesos")
    assert parse_masters(["http://m"]) == (MasterPlace("http", "m", 5050),)
    assert recorded(MASTER).status == 200
