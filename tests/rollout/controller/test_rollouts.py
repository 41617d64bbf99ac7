"""Rollouts from their beginning to their end, with a real controller and a simulated cluster."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from tests.support.rollout_world import ABORTED, ABSENT, FAILED, PAUSED, RolloutWorld


def test_a_rollout_brings_its_revision_to_every_host_and_tells_of_it(world: RolloutWorld) -> None:
    said = world.run("start", world.strategy(1))
    assert "rollout is done" in said and "batch 2 of 2" in said
    told = world.status()
    assert told["state"] == "done" and told["counts"] == {"done": 8} and told["causes"] == []
    for history in world.histories().values():
        run = next(each for each in history["runs"] if each["applied"])
        assert (run["rollout"], run["revision"]) == (told["rollout"], told["revision"])
        assert history["fence"] >= 1 and history["request"]["state"] == "ended"
    for each in world.report().values():
        states = [step["state"] for step in each["steps"]]
        assert states == [
            *("staging", "draining", "applying", "verifying", "reactivating", "soaking", "done"),
        ]


def test_a_profile_that_nobody_could_read_is_refused_before_anybody_is_asked(
    world: RolloutWorld,
) -> None:
    asked = world.cluster.log.read_text().count("/provisioner/")
    path = world.strategy(34)
    (world.directory / "web.yaml").write_text("profile: 1\nname: [\n")
    said = _complaint(world, "start", str(path), status=65)
    assert "web.yaml: line 3, column 1: not YAML" in said
    assert world.cluster.log.read_text().count("/provisioner/") == asked
    assert json.loads(world.run("history", "--format=json")) == {"rollouts": []}


def test_a_program_gets_every_event_as_a_line(world: RolloutWorld) -> None:
    lines = world.run("start", "--format=ndjson", world.strategy(2)).splitlines()
    events = [json.loads(each) for each in lines]
    assert {each["event"] for each in events} >= {"holder", "fenced", "rollout", "batch", "host"}
    assert events[-1] == {**events[-1], "event": "rollout", "state": "done"}
    first = next(each["host"] for each in events if each["event"] == "host")
    done = [each["host"] for each in events if each.get("state") == "done" and "host" in each]
    assert done[0] == first and len(done) == 8  # the canary alone, before all others


def test_the_same_once_more_changes_nothing_and_is_known_as_another_rollout(
    world: RolloutWorld,
) -> None:
    world.run("start", world.strategy(3))
    first = world.status()["rollout"]
    world.run("start", world.strategy(3))
    second = world.status()["rollout"]
    assert first != second
    assert world.applied(second) == {host: [1] for host in world.histories()}
    listed = json.loads(world.run("history", "--format=json"))["rollouts"]
    assert [each["rollout"] for each in listed][-2:] == [first, second]


def test_a_canary_that_fails_pauses_it_and_a_retry_goes_on_to_the_end(world: RolloutWorld) -> None:
    path = world.strategy(4)
    canary = _canary(world)
    world.fault(f"unhealthy:{canary}")
    said = world.run("start", path, status=PAUSED)
    assert "retry --failed" in said
    told = world.status()
    assert told["state"] == "paused" and told["counts"]["waiting"] == 7
    (cause,) = told["causes"]
    assert cause["state"] == "rolled-back" and cause["hosts"][0].startswith(canary)
    assert cause["cause"] == "the health check failed: simulated"
    world.fault(f"return:{canary}")
    world.run("retry", "--failed")
    assert world.status()["counts"] == {"done": 8}
    attempts = world.applied(told["rollout"])
    assert attempts[canary] == [1, 2]
    assert all(each == [1] for host, each in attempts.items() if host != canary)


def test_an_abort_of_what_has_paused_by_itself_is_obeyed_by_whoever_resumes_it(
    world: RolloutWorld,
) -> None:
    path = world.strategy(40)
    world.fault(f"unhealthy:{_canary(world)}")
    world.run("start", path, status=PAUSED)
    assert "nobody is at rollout" in world.run("abort")
    world.run("resume", status=ABORTED)
    assert world.status()["counts"] == {"rolled-back": 1, "skipped": 7}


def test_a_person_is_waited_for_after_the_batch_that_says_so(world: RolloutWorld) -> None:
    strategy = world.strategy(5, promote={"after": 1, "manual": True})
    assert "--promote" in world.run("start", strategy, status=PAUSED)
    assert world.status()["reason"] == "promote"
    world.run("resume", status=64)
    world.run("resume", "--promote")
    assert world.status()["state"] == "done"


def test_a_controller_that_stays_is_promoted_from_elsewhere(world: RolloutWorld) -> None:
    strategy = world.strategy(6, promote={"after": 1, "manual": True})
    with world.running("start", "--stay", strategy) as controller:
        controller.wait_for("rollout is paused (promote)")
        assert "was asked to promote" in world.run("promote")
        assert "rollout is done" in controller.end(0)


def test_pause_resume_and_abort_from_elsewhere(world: RolloutWorld) -> None:
    strategy = world.strategy(7, batches=[1, 2, "100%"], soak="30s")
    with world.running("start", "--stay", strategy) as controller:
        controller.wait_for("soaking")
        assert world.run("pause").startswith("process ")
        controller.wait_for("rollout is paused (operator)")
        assert "was asked to go on" in _complaint(world, "resume")
        controller.wait_for("rollout is running")
        world.run("abort")
        controller.end(ABORTED)
    told = world.status()
    assert told["counts"] == {"done": 1, "skipped": 7}
    assert "has ended" in _complaint(world, "abort", status=65)


def test_ctrl_c_pauses_and_what_is_under_way_ends(world: RolloutWorld) -> None:
    strategy = world.strategy(8, soak="1s")
    with world.running("start", strategy) as controller:
        controller.wait_for("soaking")
        controller.process.send_signal(signal.SIGINT)
        controller.end(PAUSED)
    assert world.status()["counts"] == {"waiting": 7, "done": 1}
    world.run("resume")
    assert world.status()["counts"] == {"done": 8}


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_controller_that_is_stopped_is_followed_by_another_one(
    world: RolloutWorld, signum: signal.Signals
) -> None:
    strategy = world.strategy(9 + signum, soak="3s")
    with world.running("start", strategy) as controller:
        controller.wait_for("soaking")
        controller.process.send_signal(signum)
        controller.end(-signum)
    told = world.status()
    assert told["state"] == "running" and told["holder"] is None
    world.run("resume")
    assert world.applied(told["rollout"]) == {host: [1] for host in world.histories()}
    assert world.status()["counts"] == {"done": 8}


def test_an_undo_takes_each_host_back_to_what_it_had(world: RolloutWorld) -> None:
    world.run("start", world.strategy(30))
    before = world.status()["revision"]
    world.run("start", world.strategy(31))
    undone = world.status()["rollout"]
    said = world.run("undo", undone)
    assert "rollout is undone" in said
    for history in world.histories().values():
        run = next(each for each in history["runs"] if each["applied"])
        assert run["revision"] == before and run["command"] == "rollback"
    # Once more: nothing of it is there any more to be taken back.
    world.run("undo", undone)
    told = world.status()
    assert told["state"] == "undone" and told["undoes"] == undone
    assert told["causes"][0]["cause"] == "something else was applied to it since"


def test_failures_beyond_the_budget_of_a_hundred_hosts_are_one_line(world: RolloutWorld) -> None:
    world.fault("unhealthy:*")
    world.run("start", world.strategy(32, max_failures=8, batches=["100%"]), status=FAILED)
    told = world.status()
    assert [(each["state"], len(each["hosts"])) for each in told["causes"]] == [("rolled-back", 8)]
    table = world.run("status")
    assert table.count("the health check failed") == 1 and "and 2 more" in table


@pytest.mark.long  # it waits
def test_a_host_that_is_not_there_is_told_apart_from_one_that_failed(world: RolloutWorld) -> None:
    strategy = world.strategy(33, batches=[1, "100%"], soak="12s", deadline={"apply": "2s"})
    with world.running("start", strategy) as controller:
        controller.wait_for("soaking")
        last = world.status()
        names = [each for each in world.report() if each != _canary(world)]
        late = names[-1]
        world.fault(f"unreachable:{late}")
        controller.wait_for(f"{late} absent")
        controller.end(ABSENT)
    assert last["state"] == "running"
    told = world.report()[late]
    assert told["state"] == "absent"
    world.fault(f"return:{late}")
    world.wait(lambda: world.cluster.active() == 8, "the host")
    assert not world.applied(last["rollout"]).get(late)
    world.run("retry", "--absent")
    assert world.status()["counts"] == {"done": 8}


def _canary(world: RolloutWorld) -> str:
    """The host that has its turn first."""
    told = json.loads(world.run("hosts", "--format=json", world.directory / "strategy.yaml"))
    first: str = told["selected"][0]["host"]
    return first


def _complaint(world: RolloutWorld, *words: str, status: int = 75) -> str:
    done = subprocess.run(
        world.command(*words),
        capture_output=True,
        text=True,
        env=world.environment,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done
    return done.stderr
