"""Environment files: what a shell and systemd read is what the packages said, and nothing runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from packager.base.errors import DataError
from packager.generations.environment_files import environment_files, variables
from packager.package.pkginfo import parse_pkginfo

if TYPE_CHECKING:
    from packager.package.declarations import Declarations

SHELLS = [each for each in ("/bin/sh", "/bin/bash", "/bin/busybox") if Path(each).exists()]
UNSAFE = r"""$(touch pwned)`touch pwned`${IFS}$HOME"'\ #;&|<>*?[]{}~!=%"""


def accepted(character: str) -> bool:
    """Whether `add` lets a value have it."""
    try:
        parse_pkginfo(_pkginfo(character))
    except DataError:
        return False
    return True


def _pkginfo(value: str) -> bytes:
    import json

    return json.dumps({"environment": {"A": value}}).encode()


values = st.text(st.characters(codec="utf-8").filter(accepted) | st.sampled_from(UNSAFE + "\n\r\t"))
environments = st.lists(values, min_size=1, max_size=8)


@pytest.mark.parametrize("shell", SHELLS)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(environments)
@example([UNSAFE, "a\nB=c", "", " x ", "\\", "\\\n", "#", "'", "x\r"])
def test_a_shell_reads_what_the_packages_said(shell: str, tmp_path: Path, told: list[str]) -> None:
    names = [f"V{number}" for number in range(len(told))]
    files = environment_files("/s", {"a--1": {"environment": dict(zip(names, told, strict=True))}})
    words = " ".join(f'"${name}"' for name in names)
    for name, before in (("environment", "set -a; "), ("environment.export", "")):
        (tmp_path / name).write_bytes(files[name])
        script = f"{before}. ./{name}; printf '%s\\0' {words} > said; env -0"
        done = subprocess.run(
            [shell, *(["sh"] if shell.endswith("busybox") else []), "-c", script],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            check=True,
        )
        assert (tmp_path / "said").read_bytes().decode().split("\0")[:-1] == told
        assert done.stderr == b""
        exported = {item.split(b"=")[0] for item in done.stdout.split(b"\0")}
        assert {name.encode() for name in names} <= exported
        assert {each.name for each in tmp_path.iterdir()} <= {*files, "said"}


@settings(max_examples=300, deadline=None)
@given(environments)
@example([UNSAFE, "a\nB=c", "", " x ", "\\", "\\\n", "#", ";", "'", "x\r"])
def test_systemd_reads_what_the_packages_said(told: list[str]) -> None:
    names = [f"V{number}" for number in range(len(told))]
    environment: dict[str, object] = dict(zip(names, told, strict=True))
    packages: dict[str, Declarations] = {"a--1": {"environment": environment}}
    assert systemd_reads(environment_files("/s", packages)["environment"].decode()) == variables(
        "/s", packages
    )


def test_strange_roots_are_quoted() -> None:
    files = environment_files('/a "b" $(c)', {})
    assert systemd_reads(files["environment"].decode())["LD_LIBRARY_PATH"] == (
        '/a "b" $(c)/active/lib'
    )


def test_numbers_are_text() -> None:
    files = environment_files("/s", {"a--1": {"environment": {"A": 1, "B": 1.5}}})
    assert b"\nA=1\nB=1.5\n" in files["environment"]


def test_plain_values_stay_plain_for_simple_readers() -> None:
    files = environment_files("/s", {"a--1": {"environment": {"A": "/x:y,z=1"}}})
    assert b"\nA=/x:y,z=1\n" in files["environment"]


@pytest.mark.parametrize("value", ["\0", "\ufeff", "\ufffe", "\ufdd0", "\U0001ffff", "\ud800"])
def test_what_systemd_would_drop_is_refused_at_add(value: str) -> None:
    with pytest.raises(DataError):
        parse_pkginfo(_pkginfo(value))


@pytest.mark.parametrize("name", ["PATH", "LD_LIBRARY_PATH", "A B", "A=B", "1A", "A\nB", ""])
def test_names_that_are_reserved_or_none(name: str) -> None:
    import json

    with pytest.raises(DataError, match="environment: "):
        parse_pkginfo(json.dumps({"environment": {name: "x"}}).encode())


def systemd_reads(text: str) -> dict[str, str]:
    """EnvironmentFile= as systemd.exec(5) documents it."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        if text[at] in "\n \t\r":
            at += 1
            continue
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if text[at] in "#;" or "=" not in text[at:end]:
            at = end
            continue
        equals = text.index("=", at)
        name = text[at:equals].strip()
        found[name], at = _value(text, equals + 1)
    return found


def _value(text: str, at: int) -> tuple[str, int]:
    while text[at] in " \t\r":
        at += 1
    value, quote = "", ""
    if text[at] in "\"'":
        quote = text[at]
        at += 1
    while True:
        character = text[at]
        at += 1
        if quote == '"' and character == "\\":
            escaped = text[at]
            at += 1
            if escaped in '"\\`$':
                value += escaped
            elif escaped != "\n":
                value += f"\\{escaped}"
        elif quote and character == quote:
            rest = text[at : text.index("\n", at)]
            assert rest.strip() == "", "nothing may stand behind the closing quote"
            return value, at + len(rest)
        elif not quote and character == "\n":
            return value.rstrip(" \t\r"), at
        elif not quote and character == "\\":
            value += text[at].replace("\n", "")
            at += 1
        else:
            value += character
