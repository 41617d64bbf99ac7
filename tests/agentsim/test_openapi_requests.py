"""schemathesis makes requests of what the simulator says of itself, and finds nothing wrong.

It asks for what the description allows and for what it does not, and holds answers to statuses,
types, schemas and security. `tests/support/schemathesis_checks.py` adds what schemas can't say.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from agentsim.suite.hosts import probe_files

from tests.conftest import Simulator
from tests.support.packager_command import packager
from tests.support.repository_site import configuration, put

ROOT = Path(__file__).parents[2]
ROUTES = ROOT / "module" / "routes"
CHECKS = ROOT / "tests" / "support" / "schemathesis_checks.py"
# No fetch leaves this machine: the commands believe in a proxy at a port where nothing listens.
NOWHERE = "http://127.0.0.1:9"
# Of the probes, the tables whose commands end by themselves.
PROBES = ("guarded", "limits", "probe", "stream")
ENDLESS = ("/forks", "/pipe", "/signal", "/sleep")
# What libprocess's parser knows: to any other method it closes the connection (ABI-HTTP-3).
METHODS = ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")

Start = Callable[..., Simulator]


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    file = tmp_path / "credentials"
    file.write_text("alice secret\n")
    file.chmod(0o600)
    return file


@pytest.fixture
def commands(simulator: Start, tmp_path: Path, credentials: Path) -> Simulator:
    """A host of the project's own tables, with a store, a repository and a home of their own."""
    shelf = tmp_path / "shelf"
    put(shelf, "hello--1")
    packager(tmp_path / "store", "index", shelf)
    repository = {"name": "main", "url": str(shelf), "trust": "off"}
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PACKAGER_ROOT": str(tmp_path / "store"),
        "PACKAGER_CONFIG": str(configuration(tmp_path / "configuration", repository)),
        "HOME": str(tmp_path),
        "http_proxy": NOWHERE,
        "https_proxy": NOWHERE,
    }
    tables = [file.read_bytes() for file in sorted(ROUTES.glob("*.json"))]
    return simulator(
        *written(tmp_path / "tables", map(json.loads, tables)),
        f"--credentials={credentials}",
        *(f"--environment={name}={value}" for name, value in environment.items()),
    )


@pytest.fixture
def probes(simulator: Start, tmp_path: Path, credentials: Path) -> Simulator:
    """A host of the probes' tables, without the routes whose commands end only for a test."""
    files = probe_files.write(tmp_path / "probes").tables
    tables = [json.loads(file.read_bytes()) for file in files if file.stem in PROBES]
    for table in tables:
        table["routes"] = [route for route in table["routes"] if ends(route)]
    return simulator(*written(tmp_path / "tables", tables), f"--credentials={credentials}")


def ends(route: dict[str, Any]) -> bool:
    """Whether a probe ends whatever it is asked for, with little output and a blameless code.

    Those with a directory wait for the test that has made it.
    """
    parameters = route.get("parameters", {})
    for name, most in (("bytes", 100_000), ("code", 63)):
        if name in parameters:
            parameters[name] |= {"minimum": 0, "maximum": most}
    return "dir" not in parameters and route["path"] not in ENDLESS


def written(directory: Path, tables: Iterable[dict[str, Any]]) -> list[Path]:
    """Write tables, with parameters so short that a request has room for all of them at once.

    Each of them may have more than that, and no description can say what they may have together.
    """
    directory.mkdir()
    files = []
    for table in tables:
        for route in table["routes"]:
            for parameter in route.get("parameters", {}).values():
                text = parameter.get("items", parameter)
                if text["type"] == "string":
                    text["max_length"] = min(text.get("max_length", 1000), 1000)
                if parameter["type"] == "list":
                    parameter["max_items"] = min(parameter.get("max_items", 5), 5)
        files.append(directory / f"{table['process']}.json")
        files[-1].write_text(json.dumps(table))
    return files


def run(host: Simulator, directory: Path, *options: str, expected: tuple[str, ...]) -> None:
    """Let schemathesis loose on a host; `expected` are statuses that no fault is behind."""
    configuration = directory / "schemathesis.toml"
    configuration.write_text(
        f"hooks = {json.dumps(str(CHECKS))}\n"
        # The commands judge further than their parameters' types; see schemathesis_checks.py.
        "checks.positive_data_acceptance.enabled = false\n"
        f"checks.not_a_server_error.expected-statuses = {json.dumps(expected)}\n"
        f"phases.coverage.unexpected-methods = {json.dumps(METHODS)}\n"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", configuration),
            *("run", f"{host.url}/openapi.json", "--auth=alice:secret", "--seed=1"),
            *("--no-color", "--continue-on-failure", "--request-timeout=60", *options),
        ],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


ANY = ("2xx", "4xx", "5xx")
BOUNDED = ("--max-examples=1", "--phases=fuzzing", "--no-shrink")
LONG = ("--max-examples=50", "--phases=examples,coverage,fuzzing")


def test_the_commands(commands: Simulator, tmp_path: Path) -> None:
    run(commands, tmp_path, *BOUNDED, expected=("2xx", "4xx", "502", "503", "504"))


def test_the_probes(probes: Simulator, tmp_path: Path) -> None:
    run(probes, tmp_path, *BOUNDED, expected=ANY)


@pytest.mark.long
def test_the_commands_at_length(commands: Simulator, tmp_path: Path) -> None:
    run(commands, tmp_path, *LONG, expected=("2xx", "4xx", "502", "503", "504"))


@pytest.mark.long
def test_the_probes_at_length(probes: Simulator, tmp_path: Path) -> None:
    run(probes, tmp_path, *LONG, expected=ANY)
