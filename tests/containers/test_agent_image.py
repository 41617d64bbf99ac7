"""The image `agent`: a real Mesos agent that serves packager's routes, with its own defaults."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mesos_cluster
import pytest
from agentsim.containers import engine, images

ROOT = Path(__file__).parents[2]
OWNED = "uid=5051,gid=5051,mode=755"
WRITABLE = ("/opt/packager", "/var/spool/agent", "/var/lib/mesos-agent", "/run/mesos-agent", "/tmp")


@pytest.fixture(scope="module")
def made() -> Iterator[Any]:
    """Makes containers, which end with these tests."""
    try:
        client = engine.connect()
    except engine.NoEngine as reason:
        pytest.skip(str(reason))
    from agentsim.containers.containers import Containers

    with Containers(client) as containers:
        yield containers


def start(made: Any, **environment: str) -> Any:
    """A healthy agent."""
    from agentsim.containers.containers import MIB, Limits

    try:
        images.find_current(made.client, "agent", ROOT)
    except images.NoImage as reason:
        pytest.skip(str(reason))
    limits = Limits(1024 * MIB, tmpfs=dict.fromkeys(WRITABLE, OWNED))
    started = made.run("mesos-packager:agent", limits, environment=environment)
    started.await_health(120)
    return started


@pytest.fixture(scope="module")
def agent(made: Any) -> Any:
    """A healthy agent, as the image has it."""
    return start(made)


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


def test_it_is_a_mesos_agent_with_packagers_routes(agent: Any) -> None:
    assert get(f"{agent.url}/flags")["flags"]["modules"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(f"{agent.url}/packager/list.json")
    assert refused.value.code == 403  # it has no credentials, and nobody has opened it


def test_an_agent_that_is_opened_serves_packagers_routes(made: Any) -> None:
    opened = start(made, MESOS_MODULES=mesos_cluster.opened_modules())
    assert get(f"{opened.url}/packager/list.json") == {"packages": []}


def test_it_has_no_rights_and_no_compiler(agent: Any) -> None:
    _, status = agent.execute("cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["5051"] * 4
    assert int(fields["CapEff"], 16) == 0
    for program in ("g++", "cc", "make", "cmake", "pip"):
        assert agent.execute("sh", "-c", f"command -v {program}")[0] != 0, program


def test_an_image_without_headers_says_so(made: Any) -> None:
    from agentsim.containers.containers import Limits

    try:
        images.find(made.client, "mesos-packager:simulator")
    except images.NoImage as reason:
        pytest.skip(str(reason))
    scripts = ROOT / "harness" / "images"
    tried = made.run(
        "mesos-packager:simulator",
        Limits(mounts=[scripts]),
        entrypoint=["sh", str(scripts / "module.sh")],
        command=[],
        health_seconds=None,
    )
    assert tried.wait() == 1
    assert tried.logs().startswith("MESOS_IMAGE has no headers of Mesos")
