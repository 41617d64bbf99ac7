"""What goes wrong in a cluster while a rollout goes over it: each is told by its cause, and nothing
is begun that a budget does not have room for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cluster_process import call, cluster_process
from tests.support.rollout_world import (
    ABORTED,
    FAILED,
    PAUSED,
    TABLE,
    RolloutWorld,
    RunningCommand,
)


def order(world: RolloutWorld) -> list[str]:
    """The hosts in the order of their turns."""
    told = json.loads(world.run("hosts", "--format=json", world.directory / "strategy.yaml"))
    return [each["host"] for each in told["selected"]]


def agent_id(world: RolloutWorld, host: str) -> str:
    found: str = world.cluster.slaves()[host]["id"]
    return found


def test_a_host_whose_stream_is_cut_is_asked_what_became_of_it(world: RolloutWorld) -> None:
    path = world.strategy(1, soak="2s")
    second = order(world)[1]
    with world.running("start", path) as controller:
        controller.wait_for("soaking")
        world.fault(f"cut=40:{second}")  # every answer of its routes breaks off
        controller.wait_for(f"{second} staging")
        world.fault(f"return:{second}")
        controller.end(0)
    assert world.applied(world.status()["rollout"])[second] == [1]


def test_hosts_that_are_slow_are_waited_for(world: RolloutWorld) -> None:
    path = world.strategy(32)
    _, second, third, *_ = order(world)
    world.fault(f"slow=5000:{second}")  # bytes a second, of every answer
    world.fault(f"delay=1:{third}")
    world.run("start", path)
    assert world.status()["counts"] == {"done": 8}
    assert world.applied(world.status()["rollout"])[second] == [1]


def test_hosts_that_come_late_take_part_if_they_can(world: RolloutWorld, tmp_path: Path) -> None:
    path = world.strategy(30, batches=[1, 3, "100%"], gate=world.gate)
    *_, last = order(world)
    world.fault(f"unreachable:{last}")
    master = world.masters[0].removeprefix("http://")
    (tmp_path / "late").mkdir()
    late = (f"--master={master}", "--agents=1", "--domain=eu/z1")
    bare = (*late, "--hostname=bare-{number}")
    new = (str(TABLE), *late, "--hostname=new-{number}", "--scripted")
    world.wait(lambda: last not in world.cluster.slaves(), "its being unreachable")
    with world.running("start", path) as controller:
        controller.wait_for("verifying")
        world.fault(f"return:{last}")
        with cluster_process(tmp_path, *bare), cluster_process(tmp_path / "late", *new):
            came = "waiting: it came after the start"
            for words in (f"{last} {came}", f"new-1 {came}", "bare-1 takes no part"):
                controller.wait_for(words)
            world.open_gate()
            controller.end(0)
            told, report = world.status(), world.report()
    assert told["counts"] == {"done": 9} and told["batches"] == [1, 3, 9]
    assert report[last]["state"] == report["new-1"]["state"] == "done"
    (apart,) = told["apart"]
    assert [host.split("@")[0] for host in apart["hosts"]] == ["bare-1"]
    assert "no routes of provisioner" in apart["cause"]
    assert "bare-1" in world.run("report")


def test_hosts_that_come_late_are_left_alone_if_the_strategy_says_so(world: RolloutWorld) -> None:
    path = world.strategy(31, absent={"late": "ignore"}, gate=world.gate)
    *_, last = order(world)
    world.fault(f"unreachable:{last}")
    world.wait(lambda: last not in world.cluster.slaves(), "its being unreachable")
    with world.running("start", path) as controller:
        controller.wait_for("verifying")
        world.fault(f"return:{last}")
        controller.wait_for(f"{last} takes no part: it came after the start")
        world.open_gate()
        controller.end(0)
    told = world.status()
    assert told["counts"] == {"done": 7}
    assert not world.applied(told["rollout"]).get(last)
    assert [host.split("@")[0] for each in told["apart"] for host in each["hosts"]] == [last]


@pytest.mark.long  # it waits
def test_a_host_that_did_not_answer_the_take_over_is_fenced_before_anything_else(
    world: RolloutWorld,
) -> None:
    path = world.strategy(13)
    second = order(world)[1]
    world.fault(f"cut=5:{second}")
    with world.running("start", path) as controller:
        controller.wait_for("7 hosts obey fence")
        controller.wait_for(f"{order(world)[2]} done")
        assert not controller.has_said(second)
        world.fault(f"return:{second}")
        controller.end(0)
    assert world.status()["counts"] == {"done": 8}


def test_hosts_that_refuse_credentials_are_one_cause_before_anything_begins(
    world: RolloutWorld,
) -> None:
    path = world.strategy(2)
    world.fault("refuse:*")
    with world.running("start", path) as controller:
        said = controller.end(65)
    assert "8 of the hosts: it refuses our credentials" in said
    assert "rollout r" not in said


@pytest.mark.long  # it waits
def test_a_host_that_vanishes_in_the_middle_is_waited_for(world: RolloutWorld) -> None:
    path = world.strategy(3, soak="1s")
    second = order(world)[1]
    with world.running("start", path) as controller:
        controller.wait_for("soaking")
        world.fault(f"die=0:{second}")  # with the next command that changes something
        controller.wait_for(f"{second} staging")
        world.wait(lambda: world.cluster.active() == 7, "its death")
        world.fault(f"return:{second}")
        controller.end(0)
    assert world.report()[second]["state"] == "done"


@pytest.mark.long  # deadlines pass
def test_a_host_that_vanishes_for_ever_has_failed_and_is_tried_again_later(
    world: RolloutWorld,
) -> None:
    path = world.strategy(4, deadline={"apply": "2s"}, max_failures=1, soak="2s")
    second = order(world)[1]
    with world.running("start", path) as controller:
        controller.wait_for("soaking")
        controller.wait_for(f"{second} draining")
        world.fault(f"die=0:{second}")
        controller.end(FAILED)
    assert "vanished" in world.report()[second]["cause"]
    world.fault(f"return-new:{second}")
    world.wait(lambda: world.cluster.active() == 8, "the host with another id")
    world.run("retry", "--failed")
    assert world.status()["counts"] == {"done": 8}


@pytest.mark.long  # it waits
def test_a_host_that_gets_worse_while_it_soaks_has_failed(world: RolloutWorld) -> None:
    path = world.strategy(5, soak="60s", max_failures=0)
    canary = order(world)[0]
    with world.running("start", path) as controller:
        controller.wait_for(f"{canary} soaking")
        world.fault(f"unhealthy:{canary}")
        controller.end(PAUSED)
    (cause,) = world.status()["causes"]
    assert cause["cause"].startswith("it is not as its profile says: check simulated")


@pytest.mark.long  # it waits
def test_an_agent_that_restarts_is_not_taken_for_gone(world: RolloutWorld) -> None:
    path = world.strategy(6, soak="3s", batches=["100%"])
    canary = order(world)[0]
    with world.running("start", path) as controller:
        controller.wait_for(f"{canary} soaking")
        world.fault(f"restart=0.5:{canary}")
        controller.end(0)


@pytest.mark.long  # a soak that is longer than a look at the master
def test_a_master_that_goes_away_stops_what_is_new_and_nothing_else(world: RolloutWorld) -> None:
    path = world.strategy(7, batches=[1, "100%"], soak="7s")
    with world.running("start", path) as controller:
        controller.wait_for("soaking")
        assert world.cluster.tell("masters", act="kill").ok
        controller.wait_for("master is lost")
        controller.wait_for(f"{order_of(controller)[0]} done")
        assert order_of(controller) == order_of(controller)[:1]
        assert world.cluster.tell("masters", act="start").ok
        controller.wait_for("master is here")
        controller.end(0)
    assert world.status()["counts"] == {"done": 8}


def order_of(controller: RunningCommand) -> list[str]:
    """The hosts that a controller has begun with, in that order."""
    words = [line.split() for line in controller.log.read_text().splitlines()]
    return [each[1] for each in words if len(each) > 2 and each[2] == "staging"]


def test_drained_hosts_are_given_back_whatever_comes(world: RolloutWorld) -> None:
    path = world.strategy(8, drain={"mode": "drain", "grace": "1s"}, max_unavailable=3)
    assert world.cluster.tell("tasks", act="launch", agents="*", end="0.1").ok
    said = world.run("start", path)
    assert "rollout is done" in said
    slaves = world.cluster.slaves()
    assert not any(each["deactivated"] for each in slaves.values())


@pytest.mark.long  # it waits
def test_a_controller_that_is_killed_leaves_its_drains_to_the_next_one(
    world: RolloutWorld,
) -> None:
    path = world.strategy(9, drain={"mode": "drain", "grace": "600s"}, batches=["100%"])
    assert world.cluster.tell("tasks", act="launch", agents="*", end="deaf").ok
    with world.running("start", path) as controller:
        controller.wait_for("draining")
        world.wait(
            lambda: any(e["deactivated"] for e in world.cluster.slaves().values()), "a drain"
        )
        controller.process.kill()
        controller.end(-9)
    assert any(each["deactivated"] for each in world.cluster.slaves().values())
    world.run("abort")
    world.run("resume", status=ABORTED)
    world.wait(
        lambda: not any(e["deactivated"] for e in world.cluster.slaves().values()), "all given back"
    )
    assert world.status()["counts"] == {"skipped": 8}
    world.cluster.tell("tasks", act="remove-framework")


@pytest.mark.long  # it waits
def test_a_drain_that_does_not_end_is_passed_over_and_a_pause_gives_back(
    world: RolloutWorld,
) -> None:
    drain = {"mode": "drain", "grace": "600s", "deadline": "2s", "on_deadline": "skip"}
    path = world.strategy(10, drain=drain)
    canary = order(world)[0]
    assert world.cluster.tell("tasks", act="launch", agents=canary, end="stuck").ok
    with world.running("start", path) as controller:
        controller.wait_for(f"{canary} skipped: it was not drained in time")
        controller.process.terminate()
        controller.end(-15)
    world.cluster.tell("tasks", act="remove-framework")
    world.run("abort")
    world.run("resume", status=ABORTED)


def test_what_somebody_else_has_deactivated_stays_so(world: RolloutWorld) -> None:
    path = world.strategy(11, drain={"mode": "deactivate"})
    somebodys = order(world)[3]
    master = world.cluster.masters[0]
    number = {"agent_id": {"value": agent_id(world, somebodys)}}
    assert call(master, "DEACTIVATE_AGENT", **number).ok
    world.run("start", path)
    slaves = world.cluster.slaves()
    assert {host for host, each in slaves.items() if each["deactivated"]} == {somebodys}
    assert call(master, "REACTIVATE_AGENT", **number).ok


@pytest.mark.long  # it waits
def test_hosts_that_are_not_well_use_up_the_budget_whatever_the_cause(world: RolloutWorld) -> None:
    path = world.strategy(12, max_unavailable=1, soak="1s")
    hosts = order(world)
    with world.running("start", path) as controller:
        controller.wait_for("soaking")
        world.fault(f"unreachable:{hosts[-1]}")
        world.wait(lambda: world.cluster.active() == 7, "the master's notice")
        controller.wait_for(f"{hosts[0]} done")
        controller.wait_for(f"{hosts[1]} staging")
        assert not controller.has_said(f"{hosts[1]} draining")
        world.fault(f"return:{hosts[-1]}")
        controller.end(0)
