"""A machine without a Docker engine that can be used says so, in one sentence."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from agentsim.containers import engine, images

from tests.support.docker_engine import Engine, listening

GOOD = {"ApiVersion": "1.41", "Version": "20.10.24", "Os": "linux"}


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For a socket: a short name, which others can reach."""
    return tmp_path_factory.mktemp("e") / "s"


def refusal(monkeypatch: pytest.MonkeyPatch, address: str) -> str:
    """Why the engine there is none to use."""
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(engine.NoEngine) as why:
        engine.connect()
    said = str(why.value)
    assert "\n" not in said
    return said


def test_no_engine(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    said = refusal(monkeypatch, f"unix://{place}")
    assert said.startswith(f"no Docker engine answers at unix://{place}: start one")


def test_an_engine_that_has_gone(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
    assert "no Docker engine answers" in refusal(monkeypatch, f"unix://{place}")


def test_no_engine_behind_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{unheard.getsockname()[1]}"
        assert "no Docker engine answers" in refusal(monkeypatch, address)


def test_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no Docker engine can be used at nowhere:" in refusal(monkeypatch, "nowhere://x")


def test_an_engine_that_is_not_for_this_user(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    with listening(Engine(GOOD), place) as address:
        place.chmod(0)
        said = refusal(monkeypatch, address) if os.getuid() != 0 else _as_nobody(address)
    assert said.startswith("this user may not use the Docker engine")
    assert "group" in said


def _as_nobody(address: str) -> str:
    """Why the engine there is none for a user who is not root."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        os.environ["DOCKER_HOST"] = address
        try:
            engine.connect()
        except engine.NoEngine as why:
            os.write(theirs, str(why).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    os.waitpid(child, 0)
    with os.fdopen(ours, "rb") as pipe:
        return pipe.read().decode()


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ({**GOOD, "ApiVersion": "1.24", "Version": "1.12.6"}, "1.12.6"),
        ({**GOOD, "ApiVersion": "1.39", "Version": "18.09.9"}, "18.09.9"),
        ({**GOOD, "ApiVersion": "1.12", "Version": "1.0.0"}, "too old"),
        ({**GOOD, "Os": "windows"}, "runs containers of windows: Linux is needed"),
        ({}, "no Docker engine can be used at"),
        ({"ApiVersion": "new"}, "no Docker engine can be used at"),
        (["hello"], "no Docker engine can be used at"),
    ],
)
def test_an_engine_that_is_not_fit(
    monkeypatch: pytest.MonkeyPatch, place: Path, version: object, words: str
) -> None:
    with listening(Engine(version), place) as address:
        assert words in refusal(monkeypatch, address)


def test_an_engine_that_is_fit(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    with listening(Engine(GOOD), place) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        client = engine.connect()
        client.close()


def test_without_the_sdk() -> None:
    program = (
        "import sys; sys.modules['docker'] = None\n"
        "from agentsim.containers import engine\n"
        "try: engine.connect()\n"
        "except engine.NoEngine as why: print(why)"
    )
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "the Docker SDK is missing: install agentsim[containers]\n"


def test_what_an_engine_can_not_limit() -> None:
    able = {"MemoryLimit": True, "SwapLimit": True, "PidsLimit": True}
    assert engine.shortcomings(able) == []
    assert len(engine.shortcomings({**able, "PidsLimit": False})) == 1


def suite(address: str, kind: str) -> subprocess.CompletedProcess[str]:
    """A run of a few tests of the suite."""
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "agentsim",
            "suite",
            f"--abi-host={kind}",
            "-k",
            "test_exit_status",
            "-ra",
        ],
        env={**os.environ, "DOCKER_HOST": address},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("kind", ["docker-simulator", "docker"])
def test_the_suite_is_skipped_without_an_engine(place: Path, kind: str) -> None:
    done = suite(f"unix://{place}", kind)
    assert f"no Docker engine answers at unix://{place}: start one" in done.stdout
    assert "failed" not in done.stdout and "error" not in done.stdout
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED  # nothing was proved


@pytest.mark.parametrize("kind", ["docker-simulator", "docker"])
def test_the_suite_is_skipped_without_an_image(place: Path, kind: str) -> None:
    with listening(Engine(GOOD), place) as address:
        done = suite(address, kind)
    image = {"docker-simulator": "mesos-packager:simulator", "docker": "mesos-packager:agent"}[kind]
    assert f"the Docker engine has no image {image}: `nox -s docker` builds it" in done.stdout
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED


def test_an_image_that_is_no_target_is_to_be_pulled(
    monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    with listening(Engine(GOOD), place) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with pytest.raises(images.NoImage, match=r"no image mesos:1\.12: pull it"):
            images.find(engine.connect(), "mesos:1.12")
