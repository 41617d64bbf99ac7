"""Simulated agents become members of a cluster, stay so, and leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import requests

from tests.support.cluster_process import call, cluster_process
from tests.support.shell_table import shell_table

FAST = "--time-scale=0.02"  # pings every 0.3 s, five of them


def test_all_agents_are_listed_with_what_they_were_given(tmp_path: Path) -> None:
    patterns = (
        "--hostname=web-{number:03}",
        "--attributes=role:web|db;rack:r{number};weight:2.5",
        "--domain=eu/z1|z2",
        "--resources=cpus:{number};mem:512",
    )
    with cluster_process(tmp_path, "--agents=24", FAST, *patterns) as cluster:
        cluster.wait(lambda: cluster.active() == 24, "24 active agents")
        slaves = cluster.slaves()
        assert sorted(slaves) == [f"web-{number:03}" for number in range(1, 25)]
        second = slaves["web-002"]
        assert second["attributes"] == {"role": "db", "rack": "r2", "weight": 2.5}
        assert second["domain"]["fault_domain"] == {
            "region": {"name": "eu"},
            "zone": {"name": "z2"},
        }
        assert second["resources"]["cpus"] == 2.0
        assert second["pid"].startswith("slave(1)@127.1.0.2:")
        # They stay so for longer than the master waits for pings: one that is silent does not.
        assert cluster.tell("inject", fault="hang:24").json() == {"agents": ["web-024"]}
        cluster.wait(lambda: "web-024" not in cluster.slaves(), "its being unreachable")
        cluster.wait(lambda: cluster.active() == 23, "the others")


def test_a_master_that_ignores_registrations_is_named(tmp_path: Path) -> None:
    old = [{"hostname": f"old-{n}", "version": "0.28.0", "domain": "eu/z1"} for n in range(3)]
    listed = tmp_path / "agents.json"
    listed.write_text(json.dumps(old))
    with cluster_process(tmp_path, f"--agents={listed}", FAST) as cluster:
        master = cluster.masters[0].removeprefix("http://")
        words = f"the master {master} answers no registration"
        cluster.wait(cluster.said(words), "its being said")
        (line,) = (line for line in cluster.log.read_text().splitlines() if words in line)
        assert "--domain" in line


def test_a_simulated_master_can_be_a_process_of_its_own(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("master", "agents")]
    for place in places:
        place.mkdir()
    with cluster_process(places[0], "--agents=0", FAST) as master:
        authority = master.masters[0].removeprefix("http://")
        with cluster_process(places[1], "--agents=20", f"--master={authority}"):
            master.wait(lambda: master.active() == 20, "20 active agents")
        master.wait(lambda: not master.slaves(), "their leaving at a clean end")


def test_more_agents_than_descriptors_are_refused_with_the_ways_out(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "agentsim", "cluster", "--port=0", "--agents=100"]
    limited = ["sh", "-c", 'ulimit -n 120; exec "$@"', "limited", *command]

    def refusal(option: str) -> str:
        done = subprocess.run([*limited, option], check=False, capture_output=True, text=True)
        assert done.returncode == os.EX_UNAVAILABLE
        return done.stderr

    assert refusal("--master-port=0") == (
        "100 agents need 232 descriptors and 120 may be open: raise the limit (ulimit -Hn 232, as"
        " root), or run fewer, or the master as a process of its own (--agents 0; the others with"
        " --master)\n"
    )
    apart = refusal("--master=127.0.0.1:1")
    assert apart.endswith("(ulimit -Hn 132, as root), or run fewer\n")


def test_every_agent_serves_the_routes_at_its_own_address_with_its_own_place(
    tmp_path: Path,
) -> None:
    table = shell_table(
        tmp_path, 'echo "$PLACE"', {"path": "/where", "response": {"type": "text/plain"}}
    )
    place = "--environment=PLACE=/stores/{hostname}"
    with cluster_process(tmp_path, str(table), "--agents=3", FAST, place) as cluster:
        for agent in cluster.agents():
            answer = requests.get(f"http://{agent['address']}/t/where", timeout=20)
            assert answer.text == f"/stores/sim-000{agent['number']}\n"


def test_an_agent_of_serve_registers_and_unregisters_at_a_clean_end(tmp_path: Path) -> None:
    table = shell_table(tmp_path, "echo one", {"path": "/one"})
    with cluster_process(tmp_path, "--agents=0", FAST) as cluster:
        agent = subprocess.Popen(
            [
                *(sys.executable, "-m", "agentsim", "serve", str(table), "--port=0"),
                f"--master={cluster.masters[0].removeprefix('http://')}",
                *("--hostname=alone", "--attributes=role:web", "--domain=eu/z9"),
            ],
            stderr=subprocess.DEVNULL,
        )
        try:
            cluster.wait(lambda: "alone" in cluster.slaves(), "the agent")
            known = cluster.slaves()["alone"]
            assert known["active"]
            assert known["attributes"] == {"role": "web"}
            os.kill(agent.pid, signal.SIGTERM)
            assert agent.wait(20) == 0
            assert cluster.slaves() == {}
        finally:
            agent.kill()
            agent.wait()


def test_agents_come_back_with_their_ids_when_the_master_has_failed_over(tmp_path: Path) -> None:
    with cluster_process(tmp_path, "--agents=6", FAST) as cluster:
        cluster.wait(lambda: cluster.active() == 6, "6 active agents")
        before = {name: each["id"] for name, each in cluster.slaves().items()}
        assert call(
            cluster.masters[0], "DEACTIVATE_AGENT", agent_id={"value": before["sim-0003"]}
        ).ok
        assert cluster.tell("masters", act="restart", number=1).ok
        cluster.wait(lambda: cluster.active() == 5, "5 active agents again")
        after = cluster.slaves()
        assert {name: each["id"] for name, each in after.items()} == before
        assert all("reregistered_time" in each for each in after.values())
        assert after["sim-0003"]["deactivated"]


def test_an_agent_that_is_marked_gone_obeys(tmp_path: Path) -> None:
    with cluster_process(tmp_path, "--agents=2", FAST) as cluster:
        cluster.wait(lambda: cluster.active() == 2, "2 active agents")
        known = cluster.slaves()["sim-0001"]["id"]
        gone = call(cluster.masters[0], "DRAIN_AGENT", agent_id={"value": known}, mark_gone=True)
        assert gone.status_code == 200
        cluster.wait(cluster.said("sim-0001: the master has shut it down: Agent has"), "the end")
        assert sorted(cluster.slaves()) == ["sim-0002"]


def test_agents_drain_and_their_tasks_end_as_they_were_told(tmp_path: Path) -> None:
    with cluster_process(tmp_path, "--agents=3", FAST) as cluster:
        cluster.wait(lambda: cluster.active() == 3, "3 active agents")
        assert cluster.tell("tasks", act="launch", agents="1", end="0.01").ok
        assert cluster.tell("tasks", act="launch", agents="2", end="deaf").ok
        assert cluster.tell("tasks", act="launch", agents="3", end="stuck").ok
        cluster.wait(
            lambda: all(each["used_resources"]["cpus"] for each in cluster.slaves().values()),
            "the tasks",
        )
        for agent in cluster.slaves().values():
            grace = {"seconds": 0, "nanos": 1_000_000}
            drained = call(
                cluster.masters[0],
                "DRAIN_AGENT",
                agent_id={"value": agent["id"]},
                max_grace_period=grace,
            )
            assert drained.status_code == 200

        def states() -> dict[str, str]:
            slaves = cluster.slaves()
            return {name: each["drain_info"]["state"] for name, each in sorted(slaves.items())}

        cluster.wait(lambda: list(states().values())[:2] == ["DRAINED"] * 2, "two drained agents")
        assert states()["sim-0003"] == "DRAINING"
        # Its framework goes first: nobody looks any more, until it is drained again.
        assert cluster.tell("tasks", act="remove-framework").ok
        stuck = cluster.slaves()["sim-0003"]
        assert stuck["drain_info"]["state"] == "DRAINING"
        assert stuck["used_resources"]["cpus"] == 0
        assert call(cluster.masters[0], "DRAIN_AGENT", agent_id={"value": stuck["id"]}).ok
        assert states()["sim-0003"] == "DRAINED"
