"""Stores with packages in them, and what a reader sees of the active set."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from packager.generations.document import active_number, decode, kept_numbers, read_generation
from packager.package.declarations import SERVICES_FILE
from packager.store.store import Store

from tests.support import fork_server
from tests.support.tar_archives import END, directory, member, symlink

PACKAGER = Path(sys.executable).with_name("packager")
TOPS = {
    "bin": ("bin",),
    "lib": ("lib",),
    "etc": ("etc",),
    "include": ("include",),
    "units": ("dcos.target.wants", "units"),
}
OWN = {"environment", "environment.export", "buildinfo.json", "generation.json"}

Content = str | tuple[str, str] | None  # a file's text; ("link", target); None: a directory


def archive(files: Mapping[str, Content], pkginfo: dict[str, object] | None = None) -> bytes:
    made = b"" if pkginfo is None else member("pkginfo.json", json.dumps(pkginfo).encode())
    for path, content in files.items():
        if content is None:
            made += directory(path)
        elif isinstance(content, tuple):
            made += symlink(path, content[1])
        else:
            made += member(path, content.encode())
    return made + END


def add(
    root: Path, package_id: str, files: dict[str, Content], pkginfo: dict[str, object] | None = None
) -> None:
    Store(str(root)).add(io.BytesIO(archive(files, pkginfo)), package_id=package_id)


def version(number: int, name: str = "a") -> dict[str, Content]:
    """One version of a package: a path that all have, one that only this one has."""
    return {
        f"bin/{name}": f"{name} {number}\n",
        f"etc/{name}.d/{number}": f"{name} {number}\n",
        f"lib/{name}/only{number}/x": f"{name} {number}\n",
    }


def run(
    root: Path,
    *words: str,
    stdin: bytes = b"",
    tracer: Sequence[str] = (),
    mounts: Mapping[str, Path] | None = None,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run packager to its end; `tracer`, `mounts`: see `fork_server.run`."""
    command: list[str | Path] = ["packager", "--root", root, *words]
    result = fork_server.run(
        command, {**os.environ, **environment}, stdin=stdin, tracer=tracer, mounts=mounts
    )
    return subprocess.CompletedProcess(
        result.args, result.returncode, result.stdout.decode(), result.stderr.decode()
    )


def ok(root: Path, *words: str, stdin: bytes = b"", **environment: str) -> str:
    """Run packager, which succeeds; its standard output."""
    result = run(root, *words, stdin=stdin, tracer=(), mounts=None, **environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


def look(root: Path) -> dict[str, str]:
    """Everything that a reader finds through ROOT/active: paths and contents."""
    return seen(root / "active") if (root / "active").is_symlink() else {}


def seen(tree: Path) -> dict[str, str]:
    """The files below bin, lib and so on of one tree, read through its links."""
    found = {}
    for top in TOPS:
        for place, directories, files in os.walk(tree / top):
            for name in files + [d for d in directories if Path(place, d).is_symlink()]:
                path = Path(place, name)
                if str(path.relative_to(tree)) == SERVICES_FILE:
                    continue
                assert path.is_symlink(), f"{path} is no link"
                found[str(path.relative_to(tree))] = content(path)
    return found


def content(path: Path) -> str:
    return "a directory" if path.is_dir() else path.read_text()


def expected(root: Path, ids: list[str], roles: list[str]) -> dict[str, str]:
    """What a tree with these packages shows, taken from the packages' own files."""
    found = {}
    for package_id in ids:
        package = root / "packages" / package_id
        for top, sources in TOPS.items():
            for source in [*sources, *(f"{each}_{role}" for each in sources for role in roles)]:
                for path in (package / source).rglob("*"):
                    if path.is_file() or path.is_symlink():
                        found[f"{top}/{path.relative_to(package / source)}"] = content(path)
    return found


def check(root: Path, *, content: bool = True) -> None:
    """The store is sound: every tree shows what its document says, nothing is left over. `content`:
    every package has the content it was added with, too."""
    number = active_number(str(root))
    kept = kept_numbers(str(root))
    for name in sorted(p.name for p in (root / "generations").iterdir()):
        tree = root / "generations" / name
        document = decode((tree / "generation.json").read_bytes(), name)
        if name != "spare":
            assert int(name) in kept, f"generations/{name} is no generation"
            assert document.number == int(name)
        ids = list(document.packages)
        assert seen(tree) == expected(root, ids, list(document.roles)), f"generations/{name}"
        names = {path.name: str(path.readlink()) for path in tree.iterdir() if path.is_symlink()}
        assert names == {i.partition("--")[0]: f"../../packages/{i}" for i in ids}
        assert {p.name for p in tree.iterdir()} - set(names) - set(TOPS) <= OWN
    for each in kept:
        for package_id in read_generation(str(root), each).packages:
            assert (root / "packages" / package_id).is_dir(), f"{package_id} of {each} is gone"
    if number is not None:
        assert (root / "generations" / str(number)).is_dir()
    for verified in Store(str(root)).verify() if content else ():
        assert [f"{d.path}: {d.reason}" for d in verified.differences] == []


def tidy(root: Path) -> None:
    """Nothing is left over of anything unfinished."""
    assert list((root / "staging").iterdir()) == []
    assert sorted(p.name for p in (root / "manifests").iterdir()) == sorted(
        p.name for p in (root / "packages").iterdir()
    )
    known = {str(each) for each in kept_numbers(str(root))} | {"spare"}
    assert {p.name for p in (root / "generations").iterdir()} <= known
    number = active_number(str(root))
    if number is not None:
        assert (root / "history" / f"{number}.json").is_file()
    assert not (root / "active.new").is_symlink()
