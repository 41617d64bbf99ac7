"""File names are the bytes that archives and people say, whatever the locale is."""

from __future__ import annotations

import json
import lzma
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.packager_command import PACKAGER, environment, run_command
from tests.support.provisioner_machine import PROVISIONER, Machine
from tests.support.tar_archives import END, member, symlink

LATIN_1 = "de_DE.ISO-8859-1"
NAME = "Größe-大".encode()
CONTENT = "größer\n".encode()


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a Latin-1 locale is."""
    if shutil.which("localedef") is None:
        pytest.skip("localedef is not installed")
    directory = tmp_path_factory.mktemp("locales")
    words = ["localedef", "-i", "de_DE", "-f", "ISO-8859-1", str(directory / LATIN_1)]
    made = subprocess.run(words, capture_output=True, text=True, check=False)
    if not (directory / LATIN_1).exists():
        pytest.skip(f"no locale can be made: {made.stderr.strip()}")
    return directory


@pytest.fixture(params=["Latin-1", "ASCII", "C"])
def locale(request: pytest.FixtureRequest) -> dict[str, str]:
    """Environments in which Python would decode names otherwise, and the plain C locale."""
    if request.param == "Latin-1":
        place = request.getfixturevalue("locales")
        found = {"LC_ALL": LATIN_1, "LOCPATH": str(place)}
    elif request.param == "ASCII":
        found = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    else:
        return {"LC_ALL": "C"}
    said = subprocess.run(
        [sys.executable, "-c", "import sys; print(sys.getfilesystemencoding())"],
        env={**os.environ, **found},
        capture_output=True,
        check=True,
    ).stdout
    assert said.strip() != b"utf-8"
    return found


def paths(top: Path) -> list[bytes]:
    found = []
    for directory, directories, files in os.walk(os.fsencode(top)):
        found += [os.path.join(directory, name) for name in (*directories, *files)]  # noqa: PTH118
    return sorted(os.path.relpath(each, os.fsencode(top)) for each in found)


def test_an_archive_s_names(tmp_path: Path, locale: dict[str, str]) -> None:
    root = tmp_path / os.fsdecode(b"store-" + NAME)
    here = environment(root, **locale)
    name = NAME.decode()
    archive = member(f"bin/{name}", CONTENT) + symlink("bin/link", name) + END
    source = tmp_path / f"{name}.tar"
    source.write_bytes(archive)
    done = run_command([*PACKAGER, "add", "--id=a--1", source], here)
    assert done.returncode == 0, done.stderr.decode()
    tree = root / "packages/a--1"
    assert paths(tree) == [b"bin", b"bin/" + NAME, b"bin/link"]
    assert os.fsencode((tree / "bin/link").readlink()) == NAME
    assert run_command([*PACKAGER, "verify"], here).returncode == 0
    done = run_command([*PACKAGER, "activate", "--no-systemd", "a--1"], here)
    assert done.returncode == 0, done.stderr.decode()
    assert (root / "active/bin" / name).read_bytes() == CONTENT
    (tree / "bin" / name).write_bytes(b"")
    done = run_command([*PACKAGER, "verify", "--format=json"], here)
    assert done.returncode == 65 and NAME in done.stdout
    built = tmp_path / "built--1"
    shutil.copytree(tree, built, symlinks=True)
    done = run_command([*PACKAGER, "build", f"--output={tmp_path}/built--1.tar", built], here)
    assert done.returncode == 0, done.stderr
    assert NAME in lzma.decompress((tmp_path / "built--1.tar").read_bytes())


def test_a_profile_s_texts(tmp_path: Path, locale: dict[str, str]) -> None:
    machine = Machine(tmp_path)
    (machine.config / "config.toml").write_text("")
    template = "{{ values.x }} größer\n"
    files = [{"path": f"etc/{NAME.decode()}", "template": template}]
    document = {
        "profile": 1,
        "name": "web",
        "configuration": {"values": {"x": "大"}, "files": files},
    }
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
    here = {**machine.environment, **locale}
    done = run_command([*PROVISIONER, "apply", "--no-systemd", profile], here)
    assert done.returncode == 0, done.stderr.decode()
    content = (machine.root / "active/etc" / NAME.decode()).read_bytes()
    assert content == "大 größer\n".encode()
    done = run_command([*PROVISIONER, "status", "--no-systemd"], here)
    assert done.returncode == 0, done.stderr.decode()


def test_what_is_said(tmp_path: Path, locale: dict[str, str]) -> None:
    """Refusals are words, and no tracebacks."""
    here = environment(tmp_path / "store", **locale)
    done = run_command([*PACKAGER, "add", os.fsdecode(tmp_path / os.fsdecode(NAME))], here)
    assert done.returncode in (64, 66) and b"Traceback" not in done.stderr
    done = run_command([*PACKAGER, "--help"], here)
    assert done.returncode == 0, done.stderr
