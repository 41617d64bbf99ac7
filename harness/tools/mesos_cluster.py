"""A Mesos master and several agents with the module, each in a container: to see it whole.

What `nox -s cluster` does. Everything is made for this run, on a network of its own, and removed at
its end. Where there is no engine for containers, the same is simulated (`simulated_cluster.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import time
import urllib.request
from os import EX_UNAVAILABLE
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import simulated_cluster
from agentsim.containers import engine

if TYPE_CHECKING:
    from agentsim.containers.container import Running
    from agentsim.containers.containers import Containers

MASTER_PORT: Final = 5050
_MODULES: Final = Path(__file__).parents[1] / "images" / "modules.json"
_OWN: Final = "uid=5051,gid=5051,mode=755"
_SECONDS: Final = 120.0
_LOOK: Final = 0.2


def start(made: Containers, image: str, count: int) -> tuple[str, list[Running]]:
    """A master's URL, and agents that it knows.

    Raises:
        DidNotStart: one of them ended, or the master did not hear of all in time.
    """
    from agentsim.containers.container import DidNotStart
    from agentsim.containers.containers import MIB, Limits

    network = made.network("mesos", internal=False)
    own = dict.fromkeys(("/var/lib/mesos-agent", "/run/mesos-agent"), _OWN)
    master = made.run(
        image,
        Limits(512 * MIB, tmpfs=own),
        # A master would load the agents' module, too.
        entrypoint=["tini", "--", "env", "-u", "MESOS_MODULES", "mesos-master"],
        command=[
            *("--ip=0.0.0.0", f"--port={MASTER_PORT}", "--work_dir=/var/lib/mesos-agent"),
            "--hostname_lookup=false",
        ],
        network=network,
        name=f"mesos-master-{os.getpid()}",
        health_seconds=None,
        ports={f"{MASTER_PORT}/tcp": ("127.0.0.1", None)},
    )
    master.await_words(re.compile(r"Master \S+ .*started on"), _SECONDS)
    settings = master.settings("NetworkSettings")
    url = f"http://127.0.0.1:{settings['Ports'][f'{MASTER_PORT}/tcp'][0]['HostPort']}"
    stores = dict.fromkeys(("/opt/packager", "/var/spool/agent"), f"{_OWN},size=256m")
    agents = [
        made.run(
            image,
            Limits(1024 * MIB, tmpfs=own | stores),
            environment={
                "MESOS_MASTER": f"{master.name}:{MASTER_PORT}",
                "MESOS_MODULES": opened_modules(),
            },
            network=network,
            name=f"mesos-agent-{number}-{os.getpid()}",
        )
        for number in range(1, count + 1)
    ]
    for agent in agents:
        agent.await_health(_SECONDS)
    end = time.monotonic() + _SECONDS
    while known(url) < count:
        if time.monotonic() > end:
            raise DidNotStart(master.report(f"knows {known(url)} of {count} agents"))
        time.sleep(_LOOK)  # a master tells nobody of a new agent but the frameworks
    return url, agents


def opened_modules() -> str:
    """The image's own modules, opened to whoever reaches the agent: its ports are loopback's only.

    Without credentials nobody could call packager's routes otherwise.
    """
    document = json.loads(_MODULES.read_bytes())
    (module,) = document["libraries"][0]["modules"]
    module["parameters"].append({"key": "unguarded", "value": "allow"})
    return json.dumps(document)


def known(url: str) -> int:
    """How many agents the master knows."""
    # A proxy of the environment knows nothing of this machine's own networks.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/slaves", timeout=10) as answer:
            state: dict[str, Any] = json.load(answer)
    except OSError:
        return 0  # it does not listen yet
    return len(state["slaves"])


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="nox -s cluster --", description=__doc__)
    parser.add_argument("--agents", type=int, default=3, help="how many (default: %(default)s)")
    parser.add_argument("--once", action="store_true", help="end when all of it runs")
    options = parser.parse_args()
    try:
        client = engine.connect()
    except engine.NoEngine as reason:
        print(f"cluster: {reason} It is simulated instead.", file=sys.stderr, flush=True)
        simulated_cluster.run(options.agents, once=options.once)
        return
    # These need the SDK, which its absence has told of otherwise.
    from agentsim.containers import images
    from agentsim.containers.container import DidNotStart
    from agentsim.containers.containers import Containers

    try:
        image = images.name("agent")
        images.find(client, image)
        with Containers(client) as made:
            url, agents = start(made, image, options.agents)
            print(f"master  {url}")
            for agent in agents:
                print(f"agent   {agent.url}   curl {agent.url}/packager/list.json")
            if not options.once:
                print("Ctrl-C removes all of it", flush=True)
                signal.pause()
    except (images.NoImage, DidNotStart) as reason:
        print(f"cluster: {reason}", file=sys.stderr)
        sys.exit(EX_UNAVAILABLE)
    except KeyboardInterrupt:
        pass  # the containers are gone by now


if __name__ == "__main__":
    main()
