"""A package of real software, made from the program that an installed wheel carries."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

# Ruff's wheel carries one native program and nothing else: it runs wherever it is put.
SOFTWARE = "ruff"


class NoGoods(Exception):
    """The software can't be found or packed; the text says what to do."""


@dataclass(frozen=True)
class Software:
    """A program that is installed here.

    Attributes:
        name, version, licence: what its wheel says of it.
        program: the executable file.
        licences: its licence texts.
    """

    name: str
    version: str
    licence: str
    program: Path
    licences: tuple[Path, ...]

    @property
    def package_id(self) -> str:
        """The id of its package."""
        return f"{self.name}--{self.version}"


@dataclass(frozen=True)
class Archive:
    """A built package: the file, its size in bytes, its SHA-256 in hexadecimal."""

    file: Path
    size: int
    sha256: str


def find() -> Software:
    """The software to show, with what its metadata tells.

    Raises:
        NoGoods: it is not installed here.
    """
    try:
        wheel = metadata.distribution(SOFTWARE)
    except metadata.PackageNotFoundError:
        raise NoGoods(f"the demonstration packs {SOFTWARE}: pip install {SOFTWARE}") from None
    files = [Path(str(file.locate())).resolve() for file in wheel.files or ()]
    programs = [file for file in files if file.name == SOFTWARE and _is_native(file)]
    if not programs:
        raise NoGoods(f"no program in the installed {SOFTWARE}: pip install --force {SOFTWARE}")
    about = wheel.metadata
    return Software(
        SOFTWARE,
        wheel.version,
        about["License-Expression"] if "License-Expression" in about else about["License"],
        programs[0],
        tuple(file for file in files if "LICENSE" in file.name.upper()),
    )


def lay_out(software: Software, directory: Path) -> Path:
    """Put the software's package tree into `directory` and return the tree's root."""
    tree = directory / software.package_id
    licences = tree / "share" / "licenses" / software.name
    licences.mkdir(parents=True)
    for text in software.licences:
        shutil.copy(text, licences / text.name)
    (tree / "bin").mkdir()
    shutil.copy(software.program, tree / "bin" / software.name)
    (tree / "pkginfo.json").write_text("{}\n")
    return tree


def lay_out_other(software: Software, directory: Path) -> Path:
    """A tree of the same id with other content: a script that claims the program's place."""
    tree = directory / software.package_id
    (tree / "bin").mkdir(parents=True)
    program = tree / "bin" / software.name
    program.write_text("#!/bin/sh\necho not the same\n")
    program.chmod(0o755)
    (tree / "pkginfo.json").write_text("{}\n")
    return tree


def packager(command: list[str], path: str) -> None:
    """Run a command line of packager's with `path` as PATH.

    Raises:
        NoGoods: it failed.
    """
    done = subprocess.run(
        command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        failed = f"{' '.join(command[:2])} failed ({done.returncode})"
        raise NoGoods(f"{failed}: {done.stderr.strip()}")


def measure(file: Path) -> Archive:
    """Size and hash of a built archive."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Archive(file, file.stat().st_size, digest)


def _is_native(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(4) == b"\x7fELF"
    except OSError:
        return False
