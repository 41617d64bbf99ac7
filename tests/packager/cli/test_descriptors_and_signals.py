"""Standard descriptors that are full, closed or left, and signals in the middle of the work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packager.cli.conftest import HELLO
from tests.support.packager_command import BARE, PACKAGER, environment, staged, tar
from tests.support.packager_command import from_the_start as packager
from tests.support.web_server import drip, head, serve, stall

# Standard descriptors

ALL = ["list", "list --format=json", "show hello--1.0", "--help", "--version", "completion bash"]


@pytest.mark.parametrize("line", [*ALL, "verify", "add --id=hello--1.0 -", "lst --help"])
def test_a_full_disk_behind_standard_output(hello: Path, line: str) -> None:
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [*PACKAGER, *line.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            input=HELLO,
            env=environment(hello),
            timeout=30,
            check=False,
        )
    if line == "lst --help":  # nothing was to be written there
        assert result.returncode == 64
    else:
        assert result.returncode == 74
        reason = b"packager: can't write to standard output: No space left on device\n"
        assert result.stderr == reason


@pytest.mark.parametrize("line", ALL)
def test_a_reader_that_has_left(hello: Path, line: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        result = subprocess.run(
            [*PACKAGER, *line.split()],
            stdout=pipe,
            stderr=subprocess.PIPE,
            env=environment(hello),
            timeout=30,
            check=False,
        )
    assert (result.returncode, result.stderr) == (-signal.SIGPIPE, b"")


def test_head(root: Path) -> None:
    for number in range(3000):
        (root / "packages" / f"package-{number}--1").mkdir(parents=True)
    line = f"{sys.executable} -m packager list | head -1"
    result = subprocess.run(
        ["/bin/bash", "-c", f"{line}; echo ${{PIPESTATUS[*]}}"],
        capture_output=True,
        env=environment(root),
        timeout=30,
        check=True,
    )
    assert result.stderr == b""
    assert result.stdout.split()[-2:] in ([b"0", b"0"], [b"141", b"0"])


def shell(root: Path, line: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["/bin/sh", "-c", line.replace("packager", f"{sys.executable} -m packager")],
        capture_output=True,
        env=environment(root),
        timeout=30,
        check=False,
    )


def test_closed_descriptors(hello: Path, tmp_path: Path) -> None:
    closed = shell(hello, "packager list >&-")
    assert closed.returncode == 74
    assert b"can't write to standard output" in closed.stderr
    assert shell(hello, "packager show nope--1 2>&-").returncode == 66
    assert shell(hello, "packager list <&-").returncode == 0
    no_stdin = shell(hello, "packager add --id=a--1 - <&-")
    assert (no_stdin.returncode, b"standard input is closed" in no_stdin.stderr) == (64, True)


def test_no_file_becomes_standard_output(hello: Path, tmp_path: Path) -> None:
    archive = tmp_path / "other--1.tar"
    archive.write_bytes(tar(bin__other=b"x" * 100))
    assert shell(hello, f"packager add {archive} <&- >&- 2>&-").returncode == 74
    assert packager(hello, "verify").stdout == b"2 packages verified, no difference\n"


def test_a_bare_environment(root: Path) -> None:
    result = subprocess.run(
        [*PACKAGER, "--root", str(root), "list"], capture_output=True, env={}, check=True
    )
    assert result.stdout == b""
    assert packager(root, "list", HOME="/dev/null", TMPDIR="/nonexistent").returncode == 0
    assert "HOME" in BARE


# Signals


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_told_to_stop_during_a_download(root: Path, signum: int) -> None:
    with serve(stall(head("200 OK", Content_Length=10**6), b"x" * 1000)) as web:
        process = subprocess.Popen(
            [*PACKAGER, "add", "--format=ndjson", web.url()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(root),
        )
        assert process.stdout is not None
        assert b"fetching" in process.stdout.readline()
        assert len(staged(root)) == 1
        process.send_signal(signum)
        _, stderr = process.communicate(timeout=10)
    assert process.returncode == -signum
    assert b"Traceback" not in stderr
    assert staged(root) == []


def test_an_ignored_signal_stays_ignored(root: Path) -> None:
    with serve(drip(head("200 OK", Content_Length=len(HELLO)), HELLO[:5], 0.05)) as web:
        process = subprocess.Popen(
            [
                *("/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh"),
                *(*PACKAGER, "add", "--format=ndjson", "--retries=0", web.url()),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(root),
        )
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=10)
    assert process.returncode == 69


def test_a_reader_that_leaves_during_a_download(root: Path) -> None:
    with serve(drip(head("200 OK", Content_Length=100), b"x" * 100, 0.05)) as web:
        process = subprocess.Popen(
            [*PACKAGER, "add", "--format=ndjson", web.url()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(root),
        )
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=10) == -signal.SIGPIPE
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.stderr.close()
    assert staged(root) == []
