"""The set-up behind `python3 noxfile.py`: what it makes, and its one sentence for each machine
that can't have it.

Real interpreters, real pip. A copy of the two files runs in a tree of its own, whose distributions
need nothing and whose "nox" is a wheel made here that prints its arguments: so no network is
needed.
"""

from __future__ import annotations

import ast
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import virtualenv

T = TypeVar("T")

ROOT = Path(__file__).parents[2]

# The whole tree's pyproject.toml has what the checks need.
TREE = """
[dependency-groups]
develop = ["nox"]
"""
# That of each distribution has an in-tree build backend that needs nothing: pip asks it for the
# editable wheel.
PROJECT = """
[project]
name = "NAME"
version = "1"
optional-dependencies = {provisioner = [], signed = [], containers = [], suite = []}
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
BACKEND = """
import zipfile
def get_requires_for_build_editable(settings=None): return []
def build_editable(directory, settings=None, metadata=None):
    name = "NAME-1-py3-none-any.whl"
    about = "Metadata-Version: 2.1\\nName: NAME\\nVersion: 1\\n"
    about += "Provides-Extra: provisioner\\nProvides-Extra: signed\\n"
    about += "Provides-Extra: containers\\nProvides-Extra: suite\\n"
    with zipfile.ZipFile(f"{directory}/{name}", "w") as wheel:
        wheel.writestr("NAME-1.dist-info/METADATA", about)
        wheel.writestr("NAME-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr("NAME-1.dist-info/RECORD", "")
    return name
"""
NOX = """
import os, shutil, sys
print("nox:", *sys.argv[1:])
print("environment:", sys.prefix, os.environ["VIRTUAL_ENV"], os.environ["HOME"])
print("python:", shutil.which("python"))
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of wheels that is all the index there is."""
    directory = tmp_path_factory.mktemp("wheels")
    with zipfile.ZipFile(directory / "nox-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("nox.py", NOX)
        wheel.writestr("nox-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: nox\nVersion: 1\n")
        wheel.writestr("nox-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("nox-1.dist-info/RECORD", "")
    return directory


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout, in a path with a space."""
    tree = tmp_path / "a tree"
    (tree / "harness" / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "noxfile.py", tree)
    shutil.copy(ROOT / "harness" / "tools" / "bootstrap.py", tree / "harness" / "tools")
    (tree / "pyproject.toml").write_text(TREE)
    for name in ("cli", "harness"):
        (tree / name).mkdir(exist_ok=True)
        (tree / name / "pyproject.toml").write_text(PROJECT.replace("NAME", name))
        (tree / name / "backend.py").write_text(BACKEND.replace("NAME", name))
    (tree / "cli" / "packager").mkdir()
    (tree / "cli" / "packager" / "__init__.py").write_text('__version__ = "1"\n')
    return tree


@pytest.fixture(scope="module")
def apt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with stand-ins for apt-get and dpkg-deb, which know one package: pip's wheel.

    Debian's and Ubuntu's own Python has no ensurepip; there, all of these tests need them.
    """
    directory = tmp_path_factory.mktemp("apt")
    wheel = next(Path(virtualenv.__file__).parent.glob("seed/wheels/embed/pip-*.whl"))
    (directory / "apt-get").write_text(
        '#!/bin/sh\nfor last; do :; done\n[ "$last" = update ] || touch "${last}_1_all.deb"\n'
    )
    (directory / "dpkg-deb").write_text(
        f"#!/bin/sh\nmkdir -p usr/share/python-wheels\ncp '{wheel}' usr/share/python-wheels/\n"
    )
    for tool in directory.iterdir():
        tool.chmod(0o755)
    return directory


@pytest.fixture
def machine(tmp_path: Path, wheels: Path, apt: Path) -> dict[str, str]:
    """The environment variables of a machine whose index is `wheels` and that has no network."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    embedded = Path(virtualenv.__file__).parent / "seed" / "wheels" / "embed"
    return {
        **kept,
        "PATH": f"{apt}:{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": f"{wheels} {embedded}",
        "PIP_CONFIG_FILE": os.devnull,
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


def start(
    tree: Path,
    machine: dict[str, str],
    *arguments: str,
    python: str = sys.executable,
    directory: Path | None = None,
) -> subprocess.Popen[str]:
    """Run the `noxfile.py` of `tree`, called from `directory`."""
    return subprocess.Popen(
        [python, str(tree / "noxfile.py"), *arguments],
        cwd=directory,
        env=machine,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(
    tree: Path,
    machine: dict[str, str],
    *arguments: str,
    python: str = sys.executable,
    directory: Path | None = None,
) -> tuple[int, str, str]:
    """Run `noxfile.py` to its end: status, standard output, standard error."""
    process = start(tree, machine, *arguments, python=python, directory=directory)
    output, errors = process.communicate(timeout=180)
    return process.returncode, output, errors


def until(look: Callable[[], T | None], seconds: float = 60) -> T:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def refused(tree: Path, machine: dict[str, str], *arguments: str) -> str:
    """The one sentence with which `noxfile.py` ends on a machine that it can't set up."""
    status, output, errors = run(tree, machine, *arguments)
    assert (status, output) == (1, "")
    lines = [line for line in errors.splitlines() if "setting up" not in line]
    assert len(lines) == 1, errors
    return lines[0]


def test_the_first_run_sets_up_and_the_second_needs_nothing(
    tree: Path, machine: dict[str, str]
) -> None:
    status, output, errors = run(tree, machine, "demo", "--once")
    assert status == 0, errors
    assert "--no-venv --no-install --session demo -- --once" in output
    # As with nox itself, and no second "--" for the session.
    assert "--session demo -- --once\n" in run(tree, machine, "demo", "--", "--once")[1]
    (environment,) = (tree / ".nox").glob("house-*")
    assert f"environment: {environment} {environment} " in output
    assert f"python: {environment}/bin/python" in output
    assert [line.split()[1] for line in errors.splitlines()] == ["setting", "ready"]
    gone = {**machine, "PIP_FIND_LINKS": "/nowhere", "PATH": "/nowhere"}
    status, again, errors = run(tree, gone, "-l")
    assert (status, errors) == (0, "")
    assert again.splitlines()[0].endswith("--no-install -l")
    # Who has activated the environment runs this with its own Python.
    assert run(tree, gone, "-l", python=f"{environment}/bin/python")[::2] == (0, "")
    assert sorted(path.name for path in (tree / ".nox").iterdir()) == [environment.name, "lock"]


@pytest.mark.long  # a set-up of its own
def test_other_requirements_make_another_environment(tree: Path, machine: dict[str, str]) -> None:
    run(tree, machine, "-l")
    (before,) = (tree / ".nox").glob("house-*")
    (tree / "pyproject.toml").write_text(TREE + '[tool.lint]\nwidth = "any"\n')
    assert run(tree, machine, "-l")[2] == ""
    (tree / "pyproject.toml").write_text(TREE.replace('["nox"]', '["nox>=1"]'))
    status, _, errors = run(tree, machine, "-l")
    assert status == 0, errors
    (after,) = (tree / ".nox").glob("house-*")
    assert after != before


def test_what_an_environment_depends_on(tree: Path) -> None:
    program = "import bootstrap; print(bootstrap.fingerprint())"

    def fingerprint() -> bytes:
        words = [sys.executable, "-c", program]
        return subprocess.check_output(words, cwd=tree / "harness" / "tools")

    seen = {fingerprint()}
    for file in ("cli/pyproject.toml", "harness/pyproject.toml", "cli/packager/__init__.py"):
        path = tree / file
        path.write_text(path.read_text().replace('"1"', '"1.0"'))
        seen.add(fingerprint())
    assert len(seen) == 4


def test_modules_of_the_callers_directory_are_not_run(
    tree: Path, machine: dict[str, str], tmp_path: Path
) -> None:
    strange = tmp_path / "strange"
    strange.mkdir()
    for name in ("nox", "pip", "ensurepip", "venv", "bootstrap", "json", "sitecustomize"):
        (strange / f"{name}.py").write_text('raise SystemExit("a module of the directory")\n')
    status, output, errors = run(tree, machine, "-l", directory=strange)
    assert status == 0, output + errors
    assert output.splitlines()[0].endswith("--no-install -l")


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.long)]
)
def test_a_set_up_that_was_cut_short_is_begun_again(
    tree: Path, machine: dict[str, str], number: signal.Signals
) -> None:
    first = start(tree, machine, "demo")
    log = until(lambda: next((tree / ".nox").glob("house-*.log"), None))  # pip is at work
    first.send_signal(number)
    _, errors = first.communicate(timeout=60)
    assert first.returncode != 0
    assert "Traceback" not in errors
    if number == signal.SIGINT:
        assert "interrupted; the next run begins it again." in errors
    half = log.with_suffix("")
    (half / "leftover").touch()
    status, output, errors = run(tree, machine, "demo")
    assert status == 0, errors
    assert "--session demo" in output
    assert not (half / "leftover").exists()
    assert sorted(path.name for path in (tree / ".nox").iterdir()) == [half.name, "lock"]


@pytest.mark.long  # a set-up of its own
def test_what_a_killed_set_up_still_runs_is_waited_for(
    tree: Path, machine: dict[str, str], tmp_path: Path
) -> None:
    """A build that hangs goes on when the set-up is killed; it must not write into the next one."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    backend = tree / "harness" / "backend.py"
    sound = backend.read_text()
    backend.write_text(f"open({str(gate)!r}).read()\n{sound}")
    first = start(tree, machine, "demo")
    with gate.open("w"):  # opens once the build has come there
        first.kill()
        first.wait()
        second = start(tree, machine, "demo")
        assert second.stderr
        assert "another set-up is under way here" in second.stderr.readline()
        backend.write_text(sound)
    output, errors = second.communicate(timeout=180)
    assert second.returncode == 0, errors
    assert "--session demo" in output


@pytest.mark.long  # a set-up of its own
def test_two_first_runs_at_once_make_one_environment(tree: Path, machine: dict[str, str]) -> None:
    runs = [start(tree, machine, name) for name in ("demo", "tests")]
    ends = [(*each.communicate(timeout=180), each.returncode) for each in runs]
    assert [status for _, _, status in ends] == [0, 0], ends
    assert "".join(errors for _, errors, _ in ends).count("ready after") == 1


@pytest.mark.long  # a set-up of its own
def test_a_checkout_that_cannot_be_written_uses_the_cache(
    tree: Path, machine: dict[str, str], tmp_path: Path
) -> None:
    (tree / ".nox").touch()  # root may write anywhere, but not into a file
    status, output, errors = run(tree, machine, "-l")
    assert status == 0, errors
    assert f"environment: {tmp_path}/cache/mesos-packager/" in output


def test_nowhere_to_write(tree: Path, machine: dict[str, str], tmp_path: Path) -> None:
    (tree / ".nox").touch()
    (tmp_path / "cache").touch()
    assert "can be written: set XDG_CACHE_HOME to a directory" in refused(tree, machine, "-l")


@pytest.mark.long  # a set-up of its own
def test_without_a_home(tree: Path, machine: dict[str, str]) -> None:
    del machine["HOME"], machine["XDG_CACHE_HOME"]
    status, output, errors = run(tree, machine, "-l")
    assert status == 0, errors
    known = [user.pw_dir for user in pwd.getpwall() if user.pw_uid == os.getuid()]
    assert f" {known[0] if known else tree / '.nox'}\n" in output


def test_offline(tree: Path, machine: dict[str, str]) -> None:
    del machine["PIP_NO_INDEX"], machine["PIP_FIND_LINKS"]
    nobody = "http://127.0.0.1:9"
    machine |= {"https_proxy": nobody, "http_proxy": nobody, "PIP_RETRIES": "0"}
    said = refused(tree, machine, "demo")
    assert "could not be fetched: connect this machine to the network" in said
    log = Path(said.partition("what pip said: ")[2].rstrip(".)"))
    assert "Connection refused" in log.read_text()


def test_packages_that_cannot_be_had(tree: Path, machine: dict[str, str], tmp_path: Path) -> None:
    machine["PIP_FIND_LINKS"] = str(tmp_path)
    said = refused(tree, machine, "demo")
    assert "set-up failed with «ERROR: No matching distribution found for " in said


def _hide(machine: dict[str, str], tmp_path: Path, module: str) -> None:
    """Take a module of the standard library away from the machine's Python."""
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{module!r}] = None\n")
    machine["PYTHONPATH"] = str(tmp_path)


def test_no_ensurepip_and_no_apt(tree: Path, machine: dict[str, str], tmp_path: Path) -> None:
    _hide(machine, tmp_path, "ensurepip")
    machine["PATH"] = str(tmp_path)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    said = refused(tree, machine, "demo")
    assert f"`sudo apt-get update && sudo apt-get install python{version}-venv`" in said


def test_no_ensurepip_but_apt(tree: Path, machine: dict[str, str], tmp_path: Path) -> None:
    """The packaged pip is fetched and unpacked, not installed."""
    _hide(machine, tmp_path, "ensurepip")
    status, output, errors = run(tree, machine, "demo")
    assert status == 0, errors
    assert "--session demo" in output
    (environment,) = (tree / ".nox").glob("house-*")
    assert not (environment / "deb").exists()


def test_a_python_without_its_whole_library(
    tree: Path, machine: dict[str, str], tmp_path: Path
) -> None:
    _hide(machine, tmp_path, "venv")
    said = refused(tree, machine, "demo")
    assert "is not a whole Python (" in said
    assert "`sudo apt-get install python3 python3-venv`" in said


def test_an_old_python_can_read_the_noxfile() -> None:
    ast.parse((ROOT / "noxfile.py").read_text(), feature_version=(3, 6))


def _old_python() -> str | None:
    for minor in range(10, 5, -1):
        python = shutil.which(f"python3.{minor}")
        # The shim of a version manager may be there without the version.
        if python and subprocess.call([python, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return python
    return None


OLD_PYTHON = _old_python()


@pytest.mark.skipif(not OLD_PYTHON, reason="no Python older than 3.11 on this machine")
def test_an_old_python_is_told_what_to_install(tree: Path, machine: dict[str, str]) -> None:
    assert OLD_PYTHON
    status, output, errors = run(tree, machine, "demo", python=OLD_PYTHON)
    assert (status, output) == (1, "")
    assert errors.count("\n") == 1
    assert "needs Python 3.11 or newer" in errors
    assert "install one" in errors
