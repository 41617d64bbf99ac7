"""The project's commands as a package of packager's own: what `nox -s bundle` does.

    bin/                    a launcher for each command (cli/bundle/launcher)
    python/                 what they import: the project, its libraries, bytecode of all of it
    python/for.cpython-…    its name says which interpreters on which machines can use it
    check/starts            tries all of it, for the health check of an apply
    etc/mesos-packager/routes/, lib/libcommand_module.so      what an agent loads
    static-units/           for systemd: nothing starts them, unless the operator says so
    install                 puts what was unpacked into the store, and makes it active

The same inputs (tree, environment, options, SOURCE_DATE_EPOCH) give the same bytes. Bytecode is of
the kind that is never compared with its source (PEP 552): the store vouches for both.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable, Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from bundle_libraries import PROJECT, CannotBundle, copy_files, requirements

TREE = Path(__file__).resolve().parents[2]
EXTRAS = ("provisioner", "signed")
ON_REQUEST = ("rollout", "socks")
COMMANDS = ("packager", "provisioner", "rollout")
MODULE = "libcommand_module.so"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
LABEL = re.compile(r"[A-Za-z0-9._]{1,60}")

COMPILE = """
import py_compile, sys
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
for name in sys.stdin.read().split("\\n"):
    py_compile.compile(name, dfile=name, doraise=True, invalidation_mode=mode)
"""


def lay_out(place: Path, extras: Iterable[str], *, module: Path | None, tree: Path = TREE) -> str:
    """Make the package's tree in the empty directory `place`.

    Args:
        place: where.
        extras: of mesos-packager; `rollout` brings that command.
        module: the Mesos module, if it is to be in it.
        tree: the checkout.

    Returns:
        The version of the project.

    Raises:
        CannotBundle: something is missing for it.
    """
    extras = sorted({*EXTRAS, *extras})
    commands = [each for each in COMMANDS if each != "rollout" or each in extras]
    python = place / "python"
    version = _unpack_project(tree, place, commands)
    libraries = requirements(extras)
    for library in libraries:
        copy_files(library, python)
    (python / f"for{EXTENSION_SUFFIXES[0]}").touch()
    compile_sources(python, (str(each.relative_to(python)) for each in python.rglob("*.py")))
    for command in commands:
        _write_launcher(tree, place, f"bin/{command}", f"{command}.main")
    _write_launcher(tree, place, "check/starts", "packager.bundle.trial")
    _write_launcher(tree, place, "install", "packager.bundle.first_install")
    _copy_texts(tree / "cli" / "bundle" / "units", place / "static-units")
    if module is not None:
        (place / "lib").mkdir()
        (place / "lib" / MODULE).write_bytes(module.read_bytes())
    of = "packager, provisioner and rollout" if "rollout" in commands else "packager, provisioner"
    _write_json(place / "pkginfo.json", {"description": f"{of}, for Python {VERSION}"})
    built = {
        "version": version,
        "python": VERSION,
        "extension_suffix": EXTENSION_SUFFIXES[0],
        "libraries": {each.metadata["Name"]: each.version for each in libraries},
        "module": module is not None,
    }
    _write_json(place / "buildinfo.full.json", built)
    _set_modes(place)
    return version


def pack(place: Path, package_id: str, archive: Path, compression: str = "xz") -> None:
    """Make the archive of a tree; the bundle's own packager does it.

    Raises:
        CannotBundle: it does not; the message has its words.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    words = ["build", f"--id={package_id}", f"--output={archive}", f"--compression={compression}"]
    _run([str(place / "bin" / "packager"), *words, str(place)])


def compile_sources(python: Path, sources: Iterable[str]) -> None:
    """Write the bytecode of sources, whose paths are those below `python`.

    One process does it, always in the same order: what it has compiled before shows in the bytes,
    and so does the seed of its hashes.

    Raises:
        CannotBundle: one of them is no Python.
    """
    _run(
        [sys.executable, "-S", "-P", "-c", COMPILE],
        cwd=python,
        stdin="\n".join(sorted(sources)),
        environment={"PYTHONHASHSEED": "0", "LANG": "C.UTF-8"},
    )


def _unpack_project(tree: Path, place: Path, commands: Sequence[str]) -> str:
    """The project's own files are those of its wheel; its version."""
    with tempfile.TemporaryDirectory() as directory:
        _run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", directory],
            cwd=tree / "cli",
        )
        (wheel,) = Path(directory).glob("*.whl")
        version = wheel.name.split("-")[1]
        with zipfile.ZipFile(wheel) as files:
            for name in files.namelist():
                top, _, rest = name.partition("/")
                if top in commands:
                    _write(place / "python" / name, files.read(name))
                elif rest.startswith("data/share/"):  # the route tables
                    _write(place / "etc" / rest.removeprefix("data/share/"), files.read(name))
    for table in (place / "etc" / PROJECT / "routes").iterdir():
        command = f'"command": ["{table.stem}"]'
        text = table.read_text()
        if command not in text:
            raise CannotBundle(f"{table.name}: {command} is not in it")
        # An agent's PATH has no store in it.
        found = command.replace(table.stem, f"/opt/packager/active/bin/{table.stem}")
        table.write_text(text.replace(command, found))
    return version


def _write_launcher(tree: Path, place: Path, path: str, module: str) -> None:
    text = (tree / "cli" / "bundle" / "launcher").read_text()
    names = {
        "@PYTHON@": f"python{VERSION}",
        "@VERSION@": VERSION,
        "@PATH@": path,
        "@NAME@": Path(path).name,
        "@MODULE@": module,
    }
    for name, value in names.items():
        text = text.replace(name, value)
    _write(place / path, text.encode())
    (place / path).chmod(0o755)


def _copy_texts(source: Path, target: Path) -> None:
    for file in sorted(source.iterdir()):
        _write(target / file.name, file.read_bytes())


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _write_json(file: Path, document: object) -> None:
    file.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")


def _set_modes(place: Path) -> None:
    """Whatever the umask is: who may read, and what is a program."""
    for file in [place, *place.rglob("*")]:
        executable = file.is_dir() or file.stat().st_mode & 0o100
        file.chmod(0o755 if executable else 0o644)


def _run(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    stdin: str = "",
    environment: dict[str, str] | None = None,
) -> None:
    done = subprocess.run(
        command,
        cwd=cwd,
        input=stdin,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip()
        raise CannotBundle(f"'{' '.join(command[:4])} …' ended with {done.returncode}:\n{words}")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="nox -s bundle --", description="Make the bundle for this Python and this machine."
    )
    parser.add_argument(
        "--with",
        dest="extras",
        action="append",
        choices=ON_REQUEST,
        default=[],
        help="an extra of mesos-packager that is not in it by default; may be repeated",
    )
    build = os.environ.get("ABI_MODULE_BUILD")
    parser.add_argument(
        "--module",
        type=Path,
        default=Path(build, MODULE) if build else None,
        help="the Mesos module; default: that of the build in $ABI_MODULE_BUILD",
    )
    parser.add_argument("--label", help="goes behind the version, after a +: cp311.debian12")
    parser.add_argument("--output", type=Path, default=TREE / "dist", help="a directory: dist")
    arguments = parser.parse_args()
    if arguments.label is not None and not LABEL.fullmatch(arguments.label):
        parser.error("--label: letters, digits, . and _ are allowed")
    begun = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as directory:
            version = lay_out(Path(directory), arguments.extras, module=arguments.module)
            label = f"+{arguments.label}" if arguments.label else ""
            archive = arguments.output.absolute() / f"{PROJECT}--{version}{label}.tar.xz"
            pack(Path(directory), archive.name.removesuffix(".tar.xz"), archive)
    except (CannotBundle, OSError) as error:
        sys.exit(f"bundle.py: {error}")
    size = archive.stat().st_size
    print(f"{archive}: {size:,} bytes, in {time.monotonic() - begun:.1f} s")


if __name__ == "__main__":
    main()
