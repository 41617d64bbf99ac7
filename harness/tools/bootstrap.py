"""From a machine that has only Python to one that can run nox: the set-up behind `noxfile.py`.

Three rules hold here. Nothing outside the environment's own directory is changed, and root is
never needed. An environment counts only once its `complete` file is there, written last, so a
set-up that was cut short is begun again. A machine that can't be set up gets one sentence that
says what to do; what pip said stays in a log beside the environment.

Only the standard library is used: this runs before anything is installed.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]
# The project's two distributions, each with the extras that its tests need.
DISTRIBUTIONS = {
    "cli": "provisioner,rollout,signed",
    "harness": "containers,suite,zookeeper",
}

# What pip prints when the trouble is the network or what stands in it, not the packages.
UNREACHABLE = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|ConnectionReset"
    r"|Failed to establish a new connection|Name or service not known|name resolution"
    r"|Network is unreachable|Connection refused|Connection to .* timed out"
)


class Unfit(Exception):
    """This machine can't be set up as it is; the message is the sentence that says why."""


def main(arguments: list[str]) -> NoReturn:
    """Make the environment if it is not there, then become nox in it.

    `arguments` are a session's name and what goes to it, or options of nox itself.
    """
    if not os.environ.get("HOME"):  # nox and pip want one
        names = [user.pw_dir for user in pwd.getpwall() if user.pw_uid == os.getuid()]
        os.environ["HOME"] = names[0] if names else str(ROOT / ".nox")
    try:
        environment = furnish()
    except Unfit as reason:
        sys.exit(f"noxfile.py: {reason}")
    except OSError as error:
        sys.exit(f"noxfile.py: set-up failed: {error}; mend that and run this again.")
    except KeyboardInterrupt:
        sys.exit("\nnoxfile.py: set-up interrupted; the next run begins it again.")
    python = environment / "bin" / "python"
    # -I: a nox.py in the directory that this is called from is not nox (nor is one of PYTHONPATH).
    # --no-venv: nox runs the sessions in the environment it runs in, which has all they need.
    nox = [str(python), "-I", "-m", "nox", "--noxfile", str(ROOT / "noxfile.py")]
    nox += ["--envdir", str(environment / "nox"), "--no-venv", "--no-install"]
    if arguments and not arguments[0].startswith("-"):
        session, *words = arguments
        if words[:1] == ["--"]:  # as nox itself wants it; a second one would go to the session
            del words[0]
        nox += ["--session", session, "--", *words]
    else:
        nox += arguments
    os.environ["PATH"] = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])
    os.environ["VIRTUAL_ENV"] = str(environment)
    sys.stderr.flush()
    os.execv(python, nox)


def furnish() -> Path:
    """The directory of an environment that has nox, the project and all that its sessions need.

    Raises Unfit.
    """
    name = f"house-{fingerprint()}"
    for place in places():
        if (place / name / "complete").exists():
            return place / name
    with workplace() as place:
        environment = place / name
        if not (environment / "complete").exists():  # made by another while this one waited?
            build(environment)
            for other in place.glob("house-*"):  # the requirements of an older commit
                if other != environment:
                    shutil.rmtree(other, ignore_errors=True)
    return environment


def requirements() -> list[str]:
    """What pip is to install: both distributions, editable, and what the checks need (nox too)."""
    editable = [f"--editable={ROOT / name}[{extras}]" for name, extras in DISTRIBUTIONS.items()]
    develop: list[str] = configuration(ROOT)["dependency-groups"]["develop"]
    return editable + develop


def fingerprint() -> str:
    """What an environment depends on, in short: interpreter, place, requirements and version."""
    parts: list[object] = [sys.version, sys.base_prefix, str(ROOT), requirements()]
    for name in DISTRIBUTIONS:
        parts += configuration(ROOT / name).values()
    source = (ROOT / "cli" / "packager" / "__init__.py").read_text()
    parts += re.findall(r"^__version__ = .*$", source, re.MULTILINE)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def configuration(directory: Path) -> dict[str, Any]:
    """The `pyproject.toml` of a directory."""
    return tomllib.loads((directory / "pyproject.toml").read_text())


def places() -> list[Path]:
    """Where environments may be: the checkout's `.nox`, else this checkout's part of a cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path(os.environ["HOME"], ".cache")).absolute()
    return [ROOT / ".nox", cache / "mesos-packager" / hashlib.sha256(bytes(ROOT)).hexdigest()[:12]]


@contextmanager
def workplace() -> Iterator[Path]:
    """The first of the places that can be written, locked. Raises Unfit.

    Two first runs at once would otherwise build the same environment into each other.
    """
    for place in places():
        try:
            place.mkdir(parents=True, exist_ok=True)
            lock = (place / "lock").open("w")
        except OSError:
            continue
        with lock:
            take(lock)
            yield place
        return
    raise Unfit(
        f"neither {places()[0]} nor {places()[1]} can be written: set XDG_CACHE_HOME to a"
        " directory that can, and run this again."
    )


def take(lock: IO[str]) -> None:
    """Wait for the exclusive lock on an open file; say so if it takes waiting.

    The programs that are run share it: one that outlives a killed set-up keeps others waiting,
    instead of writing into the environment that they make.
    """
    os.set_inheritable(lock.fileno(), True)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another set-up is under way here: waiting for it")
        fcntl.flock(lock, fcntl.LOCK_EX)


def build(environment: Path) -> None:
    """Fill `environment` from nothing, marking it complete as the last step. Raises Unfit."""
    began = time.monotonic()
    shutil.rmtree(environment, ignore_errors=True)
    say(f"setting up {environment} (only this once; mostly downloads)")
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    log = environment.with_suffix(".log")
    with log.open("w") as words:
        if importlib.util.find_spec("ensurepip"):
            step([str(python), "-m", "ensurepip"], words, environment)
            pip = [str(python), "-m", "pip"]
        else:
            pip = [str(python), str(distribution_pip(environment / "deb", words) / "pip")]
        pip += ["install", "--disable-pip-version-check", "--no-input", "--retries=2"]
        step([*pip, "pip", *requirements()], words, environment)
    shutil.rmtree(environment / "deb", ignore_errors=True)
    log.unlink()
    (environment / "complete").touch()
    say(f"ready after {time.monotonic() - began:.0f} s")


def distribution_pip(directory: Path, words: IO[str]) -> Path:
    """The pip wheel that Debian and Ubuntu package apart from Python, unpacked but not installed.

    Their Python comes without ensurepip; a wheel of pip can be run as it is. apt gets lists and
    caches of its own in `directory`, so that neither root nor up-to-date system lists are needed.
    Raises Unfit.
    """
    lists, archives = directory / "lists" / "partial", directory / "archives" / "partial"
    lists.mkdir(parents=True)
    archives.mkdir(parents=True)
    apt = ["apt-get", "--quiet", "--option=APT::Sandbox::User="]
    apt += [f"--option=Dir::State::lists={lists.parent}", f"--option=Dir::Cache={directory}"]
    for command in ([*apt, "update"], [*apt, "download", "python3-pip-whl"]):
        run(command, words, directory)
    for package in directory.glob("python3-pip-whl_*.deb"):
        run(["dpkg-deb", "--extract", package.name, "."], words, directory)
    for wheel in directory.glob("usr/share/python-wheels/pip-*.whl"):
        return wheel
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    raise Unfit(
        f"this Python {version} has no `ensurepip`, and pip could not be fetched with apt-get:"
        f" run `sudo apt-get update && sudo apt-get install python{version}-venv`, then this again."
    )


def step(command: list[str], words: IO[str], environment: Path) -> None:
    """Run one command of the set-up; its failure is told in one sentence. Raises Unfit."""
    if run(command, words, environment.parent) == 0:
        return
    said = Path(words.name).read_text(errors="replace")
    if "No space left on device" in said:
        raise Unfit(f"the disk of {environment} is full: free about 300 MB and run this again.")
    if UNREACHABLE.search(said):
        raise Unfit(
            "the packages that this needs could not be fetched: connect this machine to the"
            " network (or set pip's proxy and index for it) and run this again"
            f" (what pip said: {words.name})."
        )
    last = [line for line in said.splitlines() if line.strip()][-1:] or ["it said nothing"]
    raise Unfit(f"set-up failed with «{last[0].strip()}»: see {words.name} for all of it.")


def run(command: list[str], words: IO[str], directory: Path) -> int:
    """The exit status of `command`, its output in `words`; 127 if there is no such program.

    Interrupted, it takes with it what the command has started: ensurepip's pip would write into the
    environment that the next run makes.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            close_fds=False,  # see take()
            start_new_session=True,
        )
    except FileNotFoundError:
        return 127
    try:
        return process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def say(sentence: str) -> None:
    """Progress goes to standard error: standard output belongs to the session."""
    print(f"noxfile.py: {sentence}", file=sys.stderr, flush=True)
