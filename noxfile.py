"""The project's chores: `nox -l` lists them, `nox -s NAME -- ARGUMENTS` runs one.

Run as a plain script it needs nothing but Python: `python3 noxfile.py NAME ARGUMENTS` makes an
environment of its own first (once), then hands over to nox in it. This file keeps
to what Python 3.6 can read, so that an old one gets a sentence and not a syntax error.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - who reads this message has such a Python
        sys.exit(
            f"noxfile.py: this needs Python 3.11 or newer and {sys.executable} is"
            f" {sys.version_info[0]}.{sys.version_info[1]}: install one (`python3` of Debian 12 or"
            " Ubuntu 24.04, `python3.11` of Ubuntu 22.04) and run `python3.11 noxfile.py` with it."
        )
    if sys.platform != "linux":
        sys.exit(
            f"noxfile.py: this needs Linux, and this is {sys.platform}: use the image that"
            " `docker build --target=simulator` makes (docs/docker.md)."
        )

sys.path.insert(0, str(Path(__file__).resolve().parent / "harness" / "tools"))
try:
    import bootstrap
except ImportError as missing:
    sys.exit(
        f"noxfile.py: {sys.executable} is not a whole Python ({missing}): install the rest"
        " (`sudo apt-get install python3 python3-venv` on Debian and Ubuntu), then this again."
    )
if __name__ == "__main__":
    bootstrap.main(sys.argv[1:])  # does not return: what follows needs nox, which this brings

import nox

nox.options.sessions = ["lint", "tests"]
nox.options.reuse_existing_virtualenvs = True

# Installed commands come with their bytecode. Those of a checkout have it only where Python may
# write it; without it each start costs three times as much, and a test or a figure is of that.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# How long a program has to clean up after Ctrl-C before nox ends it the hard way.
PATIENCE = 15.0


def install(session: nox.Session) -> None:
    """The project and what its checks need; a run by script has them already (--no-install)."""
    session.install(*bootstrap.requirements())


@nox.session
def demo(session: nox.Session) -> None:
    """The main job: packages installed over HTTP on a simulated agent (--once: do not stay)."""
    install(session)
    session.run(
        *("python", "-m", "agentsim", "demo"),
        *session.posargs,
        interrupt_timeout=PATIENCE,
        external=True,
    )


@nox.session
def tests(session: nox.Session) -> None:
    """Every test, in parallel; arguments go to pytest (-k NAME, tests/agentsim, -n0)."""
    install(session)
    session.run(
        *("python", "-m", "pytest", "--numprocesses=auto", "--maxprocesses=8", "--durations=25"),
        *session.posargs,
        interrupt_timeout=PATIENCE,
        external=True,
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, imports: ruff, mypy --strict, import-linter; --fix goes to ruff check."""
    install(session)
    session.run("python", "-m", "ruff", "check", *session.posargs, external=True)
    session.run("python", "-m", "ruff", "format", "--check", external=True)
    session.run("python", "-m", "mypy", external=True)
    programs = ["noxfile.py", *(str(file) for file in sorted(Path("harness/tools").glob("*.py")))]
    session.run("python", "-m", "mypy", "--no-warn-unused-configs", *programs, external=True)
    session.run("lint-imports", external=True)
    lint_module(session)


def lint_module(session: nox.Session) -> None:
    """The C++ of module/, by the programs that are there."""
    files = [str(file) for file in sorted(Path("module").rglob("*.[ch]pp"))]
    # Each version formats a little differently; this is Debian 12's.
    if shutil.which("clang-format-14"):
        session.run("clang-format-14", "--dry-run", "--Werror", *files, external=True)
    else:
        session.log("the format of module/ is not checked: clang-format-14 is not installed")
    if shutil.which("cppcheck"):
        session.run(
            *("cppcheck", "--quiet", "--std=c++17", "--enable=warning,performance,portability"),
            *("--error-exitcode=1", "--suppress=missingIncludeSystem", "-Imodule", *files),
            external=True,
        )
    else:
        session.log("module/ is not looked through: cppcheck is not installed")


@nox.session
def long(session: nox.Session) -> None:
    """What takes too long for `tests`, and a table of it; arguments: which parts (--help)."""
    install(session)
    session.run(
        *("python", "harness/tools/long_runs.py"),
        *session.posargs,
        interrupt_timeout=PATIENCE,
        external=True,
    )


@nox.session(venv_backend="none")
def sanitize(session: nox.Session) -> None:
    """The C++ core under sanitizers: the vectors, then a fuzzer; an argument: for how long (s)."""
    if not (shutil.which("clang++") and shutil.which("cmake")):
        session.error("this needs clang, its runtime libraries (libclang-rt-14-dev) and cmake")
    seconds = (session.posargs or ["60"])[0]
    flags = "-g -fno-sanitize-recover=all -fsanitize=address,undefined,fuzzer-no-link"
    with tempfile.TemporaryDirectory() as build:
        session.run(
            *("cmake", "-S", "module", "-B", build, "-DMODULE_FUZZ=ON"),
            *("-DCMAKE_C_COMPILER=clang", "-DCMAKE_CXX_COMPILER=clang++"),
            f"-DCMAKE_CXX_FLAGS={flags}",
            external=True,
        )
        session.run("cmake", "--build", build, "--parallel", external=True)
        vectors = sorted(map(str, Path("fixtures/vectors").glob("*.json")))
        session.run(f"{build}/vectors", *vectors, silent=True, external=True)
        corpus = Path(build, "corpus")
        corpus.mkdir()
        tables = [file for top in ("fixtures", "module") for file in Path(top).rglob("*.json")]
        for number, table in enumerate(tables):
            if table.stat().st_size < 100_000:
                # The first byte tells the fuzzer that a table follows.
                (corpus / str(number)).write_bytes(b"\x01" + table.read_bytes())
        session.run(f"{build}/fuzz", f"-max_total_time={seconds}", str(corpus), external=True)


@nox.session
def docker(session: nox.Session) -> None:
    """The images, and every clause against hosts in them; arguments: --help tells them."""
    install(session)
    session.run(
        *("python", "harness/tools/container_suite.py"),
        *session.posargs,
        interrupt_timeout=PATIENCE,
        external=True,
    )


@nox.session
def cluster(session: nox.Session) -> None:
    """A Mesos cluster until Ctrl-C (--once: only try): in containers, or else simulated."""
    install(session)
    session.run(
        *("python", "harness/tools/mesos_cluster.py"),
        *session.posargs,
        interrupt_timeout=PATIENCE,
        external=True,
    )


@nox.session
def bundle(session: nox.Session) -> None:
    """The commands as a package that packager installs, in dist/; arguments: --help tells them."""
    install(session)
    session.run("python", "harness/tools/bundle.py", *session.posargs, external=True)


@nox.session
def peers(session: nox.Session) -> None:
    """docs/peers.md anew: this project's contract, held against what Debian has of its kind."""
    install(session)
    with tempfile.TemporaryDirectory() as folder:
        for peer in ("simulator", "lighttpd", "webhook", "naive"):
            if peer in ("lighttpd", "webhook") and not shutil.which(peer):
                session.log(f"{peer} is left out: it is not installed")
                continue
            session.run(
                *("python", "-m", "agentsim", "suite", "-p", "tests.peers", "-n2"),
                *(f"--abi-host={peer}", "--abi-deadline=6", "--abi-requests=400", "--tb=no", "-q"),
                *(f"--abi-report={folder}/report", *session.posargs),
                env={"PYTHONPATH": str(Path.cwd())},
                success_codes=[0, 1],  # most of them fail something
                external=True,
            )
        session.run(
            *("python", "-m", "tests.peers.page", f"{folder}/report.json", "docs/peers.md"),
            external=True,
        )


@nox.session
def bench(session: nox.Session) -> None:
    """The numbers, each against its yardstick; arguments: one benchmark's name, its options."""
    install(session)
    programs = {file.stem: file for file in sorted(Path("harness/bench").glob("*.py"))}
    name, options = (session.posargs or [""])[0], session.posargs[1:]
    if name and name not in programs:
        session.error(f"there is no benchmark {name!r}; there are: {', '.join(programs)}")
    for program in [programs[name]] if name else programs.values():
        session.run("python", str(program), *options, external=True)
