"""The image `simulator` as its users start it: small, without rights, healthy, nothing baked in."""

from __future__ import annotations

import io
import json
import signal
import tarfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from agentsim.containers import build_arguments, engine, images, owner

from tests.support.image_of_tree import engine_and_image

PACKAGER_ROUTES = "/opt/mesos-packager/share/mesos-packager/routes/packager.json"
OWNED = "uid=5051,gid=5051,mode=755"


@pytest.fixture(scope="module")
def image() -> Any:
    """The image of this tree."""
    _, found = engine_and_image("simulator")
    return found


@pytest.fixture(scope="module")
def made(image: Any) -> Iterator[Any]:
    """Makes containers, which end with these tests."""
    from agentsim.containers.containers import Containers

    with Containers(engine.connect()) as containers:
        yield containers


@pytest.fixture
def start(made: Any) -> Iterator[Callable[..., Any]]:
    """Start a simulator, and wait until it is healthy."""
    from agentsim.containers.containers import MIB, Limits

    started = []

    def run(memory: int = 256, processes: int = 256, **options: Any) -> Any:
        tmpfs = dict.fromkeys(("/opt/packager", "/var/spool/agent"), f"{OWNED},size=64m")
        limits = Limits(memory * MIB, processes, tmpfs=tmpfs)
        command = ["--open", PACKAGER_ROUTES]
        started.append(made.run("mesos-packager:simulator", limits, command=command, **options))
        started[-1].await_health()
        return started[-1]

    yield run
    for each in started:
        each.remove()


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


def archive() -> bytes:
    """A package of one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as tar:
        member = tarfile.TarInfo("bin/hello")
        member.size, member.mode = 3, 0o755
        tar.addfile(member, io.BytesIO(b"hi\n"))
    return buffer.getvalue()


def test_it_serves_packagers_routes(start: Callable[..., Any]) -> None:
    agent = start()
    assert get(f"{agent.url}/packager/list.json") == {"packages": []}
    upload = f"{agent.url}/packager/upload?id=hello--1.0"
    with urllib.request.urlopen(upload, archive(), timeout=60) as answer:
        lines = [json.loads(line) for line in answer]
    assert lines[-1]["exit_code"] == 0, lines
    assert [each["id"] for each in get(f"{agent.url}/packager/list.json")["packages"]] == [
        "hello--1.0"
    ]


def test_it_has_no_rights(start: Callable[..., Any]) -> None:
    agent = start()
    code, status = agent.execute("cat", "/proc/1/status")
    assert code == 0
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["5051"] * 4
    assert {int(value, 16) for name, value in fields.items() if name.startswith("Cap")} == {0}
    assert fields["NoNewPrivs"] == "1"
    for place in ("/x", "/etc/x", "/opt/mesos-packager/x", "/tmp/x"):
        assert agent.execute("touch", place)[0] != 0, place


def test_it_ends_when_it_is_asked_to(start: Callable[..., Any]) -> None:
    agent = start()
    agent.signal(signal.SIGTERM)
    assert agent.wait() == 0


def test_memory_and_processes_are_limited(start: Callable[..., Any]) -> None:
    agent = start(memory=128, processes=32)
    hungry = "x = b'x' * (256 << 20)"
    assert agent.execute("python3", "-c", hungry)[0] in (137, 1)
    crowd = "for i in $(seq 64); do sleep 60 & done 2>/dev/null; jobs | wc -l"
    code, said = agent.execute("sh", "-c", crowd)
    assert code != 0 or int(said) < 32, said
    # The agent itself has come to no harm.
    assert agent.state["Running"]


def test_who_is_not_healthy_says_why(made: Any) -> None:
    from agentsim.containers.container import DidNotStart
    from agentsim.containers.containers import Limits

    spool = Limits(tmpfs={"/var/spool/agent": OWNED})
    broken = made.run("mesos-packager:simulator", spool, command=["/no/such/table.json"])
    with pytest.raises(DidNotStart, match=r"(?s)ended: exited, exit 66.*/no/such/table\.json"):
        broken.await_health()
    deaf = made.run("mesos-packager:simulator", entrypoint=["sleep"], command=["60"])
    with pytest.raises(DidNotStart, match="was not healthy within 2"):
        deaf.await_health(2)


def test_its_own_address_is_no_proxy(start: Callable[..., Any]) -> None:
    agent = start()
    assert get(f"{agent.url}/packager/list.json") == {"packages": []}


def test_a_copy_of_a_directory_is_what_the_image_has_there(image: Any, made: Any) -> None:
    from agentsim.containers.cleanup import LABEL
    from agentsim.containers.containers import Limits

    # How large a directory is, is a matter of its file system.
    words = ["find", "/usr", "!", "-type", "d", "-printf", r"%p %l %s %m %U\n"]

    def listing(limits: Any) -> list[str]:
        asked = made.run(image.id, limits, entrypoint=words, command=[], health_seconds=None)
        assert asked.wait() == 0
        return sorted(asked.logs().splitlines())

    copied = Limits(copied=["/usr"])
    assert listing(copied) == listing(copied) == listing(Limits())
    own = {"label": f"{LABEL}={owner.this()}"}
    assert len(made.client.volumes.list(filters=own)) == 1  # for both
    made.close()
    assert made.client.volumes.list(filters=own) == []


def test_nothing_is_baked_in(image: Any, start: Callable[..., Any]) -> None:
    given = build_arguments.of_this_machine([])
    history = json.dumps(image.history())
    assert not [name for name in ("CA_CERTIFICATES", "PIP_INDEX_URL") if f"{name}=" in history]
    environment = image.attrs["Config"]["Env"]
    assert [entry.partition("=")[0] for entry in environment] == ["PATH"]
    agent = start()
    assert agent.execute("find", "/usr/local/share/ca-certificates", "-type", "f") == (0, "")
    assert agent.execute("sh", "-c", "ls /source /build 2>/dev/null")[1] == ""
    _, bundle = agent.execute("cat", "/etc/ssl/certs/ca-certificates.crt")
    for block in given.get("CA_CERTIFICATES", "").split("-----END CERTIFICATE-----")[:-1]:
        assert block.strip().splitlines()[5] not in bundle


def test_there_is_no_compiler_and_no_installer(start: Callable[..., Any]) -> None:
    agent = start()
    for program in ("gcc", "cc", "make", "pip", "pip3"):
        assert agent.execute("sh", "-c", f"command -v {program}")[0] != 0, program


DOCKERFILE = """ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS stage
LABEL mesos-packager.stage="of-a-test"
COPY content /content
FROM ${BASE_IMAGE} AS of-a-test
LABEL mesos-packager.stage="of-a-test"
COPY --from=stage /content /content
"""


def test_a_build_leaves_nothing_of_the_build_before(image: Any, tmp_path: Path) -> None:
    client = engine.connect()
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / ".dockerignore").write_text("Dockerfile\n")
    own = {"label": f"{images.STAGE_LABEL}=of-a-test"}

    def build(content: str) -> set[str]:
        (tmp_path / "content").write_text(content)
        given = {"BASE_IMAGE": str(image.id)}
        images.build(client, tmp_path, "of-a-test", given, None, lambda _: None)
        return {str(each.id) for each in client.images.list(all=True, filters=own)}

    try:
        first, second = build("1"), build("2")
        assert second != first
        assert len(second) == len(first)
        assert build("2") == second
    finally:
        client.images.remove("mesos-packager:of-a-test")
        for each in client.images.list(filters=own):
            client.images.remove(str(each.id))
    assert client.images.list(all=True, filters=own) == []
