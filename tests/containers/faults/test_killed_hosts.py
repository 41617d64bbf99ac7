"""Hosts that are killed in the middle of what they do, `docker kill -s KILL`, lose nothing.

CONTAINER_KILLS says how many kills there are, CONTAINER_SEED which moments they fall on.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .agents import PACKAGER_ROUTES, Agents
from .store_life import Life

KILLS = int(os.environ.get("CONTAINER_KILLS", "6"))
SEED = int(os.environ.get("CONTAINER_SEED", random.SystemRandom().randrange(1 << 32)))
APPLY = ("--format=ndjson", "--no-systemd", "--no-users")


def test_killed_at_random_moments(
    agents: Agents, table: Any, volume: Path, record_property: Callable[[str, object], None]
) -> None:
    root = volume / "root"
    places = [f"--{name}-dir={volume}/{name}" for name in ("units", "state", "config")]
    for name in ("units", "state", "config"):
        (volume / name).mkdir()
        (volume / name).chmod(0o777)
    provisioner = table(
        "provisioner",
        ["provisioner"],
        {
            "path": "/apply",
            "method": "POST",
            "argv": ["apply", *APPLY, *places, "-"],
            "stdin": "body",
            "response": {"delivery": "stream"},
        },
    )
    words = [PACKAGER_ROUTES, str(provisioner), f"--environment=PACKAGER_ROOT={root}"]
    life = Life(root, [agents.start(*words), agents.start(*words)], random.Random(SEED))
    started = time.monotonic()
    killed = 0
    try:
        life.begin()
        for operation in life.round():
            life.measure(operation)
        while killed < KILLS:
            for operation in life.round():
                if killed < KILLS:
                    killed += 1
                    life.kill(operation)
                else:  # the round is finished, as the next one would have it
                    break
    finally:
        life.close()
        seconds = time.monotonic() - started
        last = f"{len(life.lost)} of {killed} lost, CONTAINER_SEED={SEED}, {seconds:.0f} s"
        record_property("kills", [*life.table(), last])
    assert not life.lost, "\n".join(life.lost)
    inside = sum(each["in"] for each in life.kills.values())
    # Of a handful of kills, most may miss on a busy machine.
    enough = KILLS // 2 if KILLS >= 50 else 1
    assert inside >= enough, f"only {inside} of {KILLS} kills fell into the work"
