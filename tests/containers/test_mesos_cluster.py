"""A Mesos master and agents with the module, each in a container: what `nox -s cluster` starts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import mesos_cluster
import pytest
from agentsim.containers import owner

from tests.support.image_of_tree import ROOT
from tests.support.tested_masters import IMAGE, containers_with_mesos

AGENTS = 2


@pytest.fixture
def made() -> Iterator[Any]:
    """Makes containers of an image that has a master, too."""
    with containers_with_mesos() as containers:
        yield containers


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


def test_the_agents_of_a_cluster_serve_packagers_routes(made: Any) -> None:
    master, agents = mesos_cluster.start(made, IMAGE, AGENTS)
    known = get(f"{master}/slaves")["slaves"]
    assert [each["active"] for each in known] == [True] * AGENTS
    assert len({each["hostname"] for each in known}) == AGENTS
    for agent in agents:
        assert get(f"{agent.url}/packager/list.json") == {"packages": []}


def test_a_cluster_that_is_only_tried_leaves_nothing(made: Any) -> None:
    words = [sys.executable, "harness/tools/mesos_cluster.py", "--once", f"--agents={AGENTS}"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert re.fullmatch(
        r"master  http://127\.0\.0\.1:\d+\n(agent   http://\S+   curl \S+\n){2}", said
    )
    from agentsim.containers.cleanup import LABEL, labelled

    for each in labelled(made.client):
        labels = each.attrs.get("Labels") or each.attrs["Config"]["Labels"]
        by = owner.parse(labels[LABEL])
        assert by is None or by.pid != process.pid, each
