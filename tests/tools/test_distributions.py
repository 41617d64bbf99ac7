"""The two distributions, as their users get them: built, installed, and beside other projects.

What is built is a copy of the tree. Each goes into an environment of its own, which sees the
dependencies (not the project) of the environment that runs the tests: so no network is needed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = {"cli": "mesos_packager", "harness": "agentsim"}
COMMANDS = ("packager", "provisioner", "rollout")
GENERATED = ("__pycache__", ".*", "build", "build-*", "*.egg-info")


def call(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """The standard output of a program that has to succeed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, without what was made in it."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("cli", "harness", "module", "fixtures", "docs"):
        ignored = shutil.ignore_patterns(*GENERATED)
        shutil.copytree(ROOT / name, tree / name, symlinks=True, ignore=ignored)
    return tree


@pytest.fixture(scope="module")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist and the wheel of both, each built from the checkout."""
    built = tmp_path_factory.mktemp("built")
    for name in NAMES:
        hatchling = (sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel")
        call(*hatchling, "-d", built, cwd=tree / name)
    return built


def wheel_of(directory: Path, name: str) -> Path:
    """The only wheel there is of a distribution."""
    (wheel,) = directory.glob(f"{name}-*.whl")
    return wheel


def contents(wheel: Path) -> dict[str, tuple[int, int]]:
    """Checksum and mode of each file of a wheel."""
    with zipfile.ZipFile(wheel) as files:
        return {each.filename: (each.CRC, each.external_attr >> 16) for each in files.infolist()}


@pytest.mark.parametrize("name", NAMES.values())
def test_an_sdist_builds_the_same_wheel(built: Path, name: str, tmp_path: Path) -> None:
    (sdist,) = built.glob(f"{name}-*.tar.gz")
    with tarfile.open(sdist) as archive:
        assert [each.name for each in archive if not each.isfile()] == []
    offline = ("--no-index", "--no-deps", "--no-build-isolation")
    call(sys.executable, "-m", "pip", "wheel", *offline, "-w", tmp_path, sdist)
    assert contents(wheel_of(tmp_path, name)) == contents(wheel_of(built, name))


def test_production_hosts_get_no_simulator_and_no_plugin(built: Path) -> None:
    names = contents(wheel_of(built, "mesos_packager"))
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.startswith("mesos_packager-")} == {
        "packager",
        "provisioner",
        "rollout",
    }
    for name in NAMES.values():
        wheel = wheel_of(built, name)
        with zipfile.ZipFile(wheel) as files:
            entries = [each for each in files.namelist() if each.endswith("entry_points.txt")]
            assert not any("pytest" in files.read(each).decode() for each in entries)


def test_both_have_one_version_and_types(built: Path) -> None:
    wheels = [wheel_of(built, name) for name in NAMES.values()]
    assert len({wheel.name.split("-")[1] for wheel in wheels}) == 1
    names = {name for wheel in wheels for name in contents(wheel)}
    assert {f"{package}/py.typed" for package in (*COMMANDS, "agentsim")} <= names


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that has both wheels."""
    directory = tmp_path_factory.mktemp("environment")
    call(sys.executable, "-m", "virtualenv", "--no-download", directory)
    wheels = [wheel_of(built, name) for name in NAMES.values()]
    call(directory / "bin" / "pip", "install", "--no-index", "--no-deps", *wheels)
    libraries = sysconfig.get_paths(vars={"base": str(directory)})["purelib"]
    # Files named .pth in there, by which an editable project is seen, are not read from here.
    Path(libraries, "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return directory / "bin"


def test_the_installed_commands_are_of_that_version(installed: Path, built: Path) -> None:
    version = wheel_of(built, "agentsim").name.split("-")[1]
    for name in (*COMMANDS, "agentsim"):
        assert call(installed / name, "--version").split()[-1] == version


def test_the_installed_suite_has_all_that_it_needs(installed: Path, tmp_path: Path) -> None:
    call(installed / "agentsim", "probe-tables", tmp_path / "probes")
    words = ("-q", "-n0", "-k", "literals_come_in_order", "--abi-report=report")
    told = call(installed / "agentsim", "suite", *words, cwd=tmp_path, PYTEST_ADDOPTS="")
    assert "1 passed" in told
    assert "| ABI-ARGV-1 | pass |" in (tmp_path / "report.md").read_text()


def test_the_installed_demonstration_finds_its_tables(installed: Path, tmp_path: Path) -> None:
    routes = installed.parent / "share" / "mesos-packager" / "routes"
    for name in ("packager", "provisioner"):
        checked = call(installed / "agentsim", "check", routes / f"{name}.json", cwd=tmp_path)
        assert "all good" in checked


def test_other_projects_tests_do_not_see_it(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "-ra"\n')
    (tmp_path / "test_theirs.py").write_text(
        "def test_theirs(pytestconfig):\n"
        "    plugins = {str(each) for each in pytestconfig.pluginmanager.get_plugins()}\n"
        "    assert not [each for each in plugins if 'agentsim' in each]\n"
        "    assert not hasattr(pytestconfig.option, 'abi_host')\n"
    )
    python = installed / "python"
    assert "1 passed" in call(python, "-m", "pytest", "-n2", cwd=tmp_path)
    for question in ("--help", "--markers", "--trace-config"):
        told = call(python, "-m", "pytest", question, cwd=tmp_path)
        for word in ("abi-", "clause", "agentsim", "alone"):
            assert word not in told.replace(str(tmp_path), ""), question
