"""Where the packages of a base image come from, and who can't make one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import base_image
import pytest
from base_image import CannotMake, Source, merged, parse_source

PROGRAM = Path(base_image.__file__)


def test_the_release_comes_first_and_others_are_left_out() -> None:
    told = [
        "http://a.example/debian/ bookworm-updates main",
        "http://a.example/debian/ bookworm main",
        "http://a.example/debian/ bookworm contrib",
        "http://a.example/debian/ bookworm main",
        "http://b.example/security/ bookworm-security main",
        "http://c.example/other/ nodistro main",
        "http://a.example/debian/ trixie main",
    ]
    assert list(map(str, merged(told, "bookworm"))) == [
        "http://a.example/debian/ bookworm main contrib",
        "http://a.example/debian/ bookworm-updates main",
        "http://b.example/security/ bookworm-security main",
    ]


def test_a_source_is_a_line_of_apts() -> None:
    source = parse_source("http://a.example/debian bookworm main contrib")
    assert source == Source("http://a.example/debian", "bookworm", ("main", "contrib"))


@pytest.mark.parametrize("line", ["", "bookworm", "http://a.example bookworm", "a bookworm main"])
def test_what_is_no_source_is_refused(line: str) -> None:
    with pytest.raises(CannotMake, match="expected 'URL SUITE COMPONENT…'"):
        parse_source(line)


def test_a_password_gets_into_no_image() -> None:
    with pytest.raises(CannotMake) as why:
        parse_source("http://me:secret@a.example/debian bookworm main")
    assert "would be kept in the image" in str(why.value)
    assert "secret" not in str(why.value)


def run(path: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The program with other programs around it."""
    return subprocess.run(
        [sys.executable, PROGRAM, *words],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_the_programs_it_says_which_is_missing(tmp_path: Path) -> None:
    done = run(str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "base_image.py: this machine has no apt-get: install it\n"
    done = run(str(tmp_path), "--source=http://a.example/debian bookworm main")
    if os.geteuid() == 0:
        assert done.stderr == "base_image.py: this machine has no debootstrap: install it\n"
    else:
        assert done.stderr == "base_image.py: debootstrap needs root: run this with sudo\n"
    assert done.returncode == 1


def test_what_debootstrap_says_is_passed_on(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gets as far as debootstrap")
    program = tmp_path / "debootstrap"
    program.write_text("#!/bin/sh\necho 'E: Failed getting release file' >&2\nexit 1\n")
    program.chmod(0o755)
    done = run(f"{tmp_path}:/usr/bin:/bin", "--source=http://a.example/debian bookworm main")
    assert done.returncode == 1
    assert "debootstrap failed (1):\nE: Failed getting release file" in done.stderr
