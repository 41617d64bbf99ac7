"""packager before a person: tables, bars and completion in a real terminal (a pty)."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from packager.store.store import Store

from tests.support.packager_command import environment, tar
from tests.support.packager_command import from_the_start as packager
from tests.support.web_server import Web, drip, head, serve

HELLO = tar(bin__hello=b"x" * 3000)
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in ("hello--1.0", "hello--2.0", "a-rather-long-name--2026.11.23"):
        (root / "packages" / name).mkdir(parents=True)
    return root


def terminal(root: Path, *words: str, columns: int = 80, **more: str) -> pexpect.spawn[str]:
    return pexpect.spawn(
        sys.executable,
        ["-m", "packager", *words],
        env=environment(root, **{"TERM": "xterm", **more}),
        dimensions=(24, columns),
        encoding="utf-8",
        timeout=10,
    )


def screen(child: pexpect.spawn[str]) -> str:
    child.expect(pexpect.EOF)
    child.close()
    return child.before or ""


def test_a_table_fits_the_terminal(root: Path) -> None:
    wide = screen(terminal(root, "list"))
    assert "\x1b[1mID " in wide
    assert "NAME" in wide
    assert "VERSION" in wide
    narrow = ESCAPE.sub("", screen(terminal(root, "list", columns=60)))
    assert next(line.split() for line in narrow.splitlines()) == ["ID", "NAME"]
    tiny = ESCAPE.sub("", screen(terminal(root, "list", columns=20))).split()
    assert tiny == ["ID", "a-rather-long-name--2026.11.23", "hello--1.0", "hello--2.0"]


@pytest.mark.parametrize("more", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_when_it_is_not_wanted(root: Path, more: dict[str, str]) -> None:
    assert "\x1b" not in screen(terminal(root, "list", columns=80, **more))


def test_an_empty_store_is_said_to_be_empty(tmp_path: Path) -> None:
    assert "no packages in" in screen(terminal(tmp_path / "none", "list"))


def test_the_archive_is_not_read_from_a_terminal(root: Path) -> None:
    child = terminal(root, "add", "--id=a--1", "-")
    assert "standard input is a terminal" in screen(child)
    assert child.exitstatus == 64


def test_an_archive_is_not_written_to_a_terminal(root: Path, tmp_path: Path) -> None:
    child = terminal(root, "build", "--output=-", "--id=a--1", str(tmp_path))
    assert "standard output" in screen(child)
    assert child.exitstatus == 64


@pytest.fixture
def slow() -> Iterator[Web]:
    """The archive arrives half at once, and then in small steps."""
    with serve(
        drip(head("200 OK", Content_Length=len(HELLO)) + HELLO[:-30], HELLO[-30:], 0.02)
    ) as web:
        yield web


def test_a_bar_in_a_terminal(root: Path, slow: Web) -> None:
    child = terminal(root, "add", slow.url("/hello--3.0.tar"))
    child.expect("Fetching")
    child.expect(r"\d+%")
    child.setwinsize(24, 40)
    child.expect("100%")
    assert screen(child).splitlines()[-1] == "added hello--3.0 (1 file, 3.0 kB)"
    assert child.exitstatus == 0


def test_a_bar_of_unknown_length(root: Path) -> None:
    with serve(drip(head("200 OK") + HELLO[:-30], HELLO[-30:], 0.02)) as web:
        child = terminal(root, "add", web.url("/hello--3.0.tar"))
        child.expect("Fetching")
        child.expect_exact(f"{len(HELLO) / 1000:.1f} kB")
        assert "added hello--3.0" in screen(child)


def test_a_bar_for_unpacking(root: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "many--1.tar"
    os.mkfifo(fifo)
    archive = tar(**{f"file{number}": b"x" * 50_000 for number in range(200)})
    child = terminal(root, "add", str(fifo))
    with fifo.open("wb", buffering=0) as pipe:
        for start in range(0, len(archive), 1 << 20):
            pipe.write(archive[start : start + (1 << 20)])
            if start < 3 << 20:  # the first event of unpacking comes after a tenth of a second
                with contextlib.suppress(pexpect.TIMEOUT):
                    child.expect("Unpacking", timeout=0.15)
    shown = screen(child)
    assert shown.count("added many--1 (200 files, 10.0 MB)") == 1
    assert "Traceback" not in shown
    assert child.exitstatus == 0


def test_a_bar_that_is_interrupted_leaves_the_cursor(root: Path) -> None:
    with serve(drip(head("200 OK", Content_Length=1000) + b"x" * 500, b"x" * 500, 0.05)) as web:
        child = terminal(root, "add", web.url("/hello--3.0.tar"))
        child.expect(r"\d+%")
        child.sendintr()
        rest = screen(child)
    assert child.signalstatus == 2
    assert "\x1b[?25h" in rest  # the cursor is shown again
    assert "Traceback" not in rest


def test_no_bar_in_a_pipe(root: Path, slow: Web) -> None:
    result = packager(root, "add", slow.url("/hello--3.0.tar"))
    assert result.stdout == b"added hello--3.0 (1 file, 3.0 kB)\n"
    assert result.stderr == b""


# How each shell is started without anybody's settings, and what makes it say its words back: then
# what was completed is seen without the escapes of an editor of lines.
SHELLS = {
    "bash": (["--norc", "--noprofile"], 'packager() { echo "<$*>"; }'),
    "zsh": (["-f"], 'packager() { print -r -- "<$*>" }'),
    "fish": (["--no-config"], "function packager; echo '<'\"$argv\"'>'; end"),
}
LOAD = {
    "bash": 'eval "$(packager completion bash)"',
    "zsh": 'autoload -U compinit; compinit -u -D; eval "$(packager completion zsh)"',
    "fish": "packager completion fish | source",
}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("packager sho", "show"),
        ("packager show --form", "show --format"),
        ("packager show a-r", "show a-rather-long-name--2026.11.23"),
        ("packager --root {root} remove a-r", "remove a-rather-long-name--2026.11.23"),
        ("packager verify hello--1.0 hello--2", "verify hello--1.0 hello--2.0"),
        ("packager list --format nd", "list --format ndjson"),
    ],
)
def test_completion_in_a_shell(root: Path, shell: str, typed: str, completed: str) -> None:
    complete_in_a_shell(root, shell, typed, completed)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("packager show epoch--1:", "show epoch--1:2.0:3"),
        ("packager show epoch--1:2.0", "show epoch--1:2.0:3"),
        ("packager show epoch--1:2.0:", "show epoch--1:2.0:3"),
        (
            "packager verify hello--1.0 other--4:5 epo",
            "verify hello--1.0 other--4:5 epoch--1:2.0:3",
        ),
        ("packager verify other--4:5 epoch--1:2", "verify other--4:5 epoch--1:2.0:3"),
        ("packager --root={root} show epo", "show epoch--1:2.0:3"),
        ("packager --root={root} verify epoch--1:", "verify epoch--1:2.0:3"),
    ],
)
def test_completion_after_a_colon(tmp_path: Path, shell: str, typed: str, completed: str) -> None:
    """At which bash begins another word."""
    for each in ("epoch--1:2.0:3", "other--4:5"):
        Store(str(tmp_path)).add(io.BytesIO(tar(bin__x=b"")), package_id=each)
    complete_in_a_shell(tmp_path, shell, typed, completed)


def complete_in_a_shell(root: Path, shell: str, typed: str, completed: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    options, echo = SHELLS[shell]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    child = pexpect.spawn(
        program,
        options,
        env=environment(root, PATH=path, TERM="dumb", PS1="> "),
        dimensions=(24, 200),
        encoding="utf-8",
        timeout=20,
    )
    child.sendline(f'{LOAD[shell]}; {echo}; echo rea""dy')
    child.expect_exact("ready")
    child.send(typed.format(root=root) + "\t")
    child.expect_exact(completed.rsplit(maxsplit=1)[-1])
    child.send("\r")  # it is there: it need not be looked for any more
    child.expect(rf"<(--root[ =]\S+ )?{re.escape(completed)} ?>")
    child.close(force=True)


def completions(root: Path, *words: str, **more: str) -> list[str]:
    line = " ".join(["packager", *words])
    result = packager(
        root,
        _PACKAGER_COMPLETE="bash_complete",
        COMP_WORDS=line,
        COMP_CWORD=str(len(words)),
        stdin=b"",
        cwd=None,
        **more,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    return result.stdout.decode().split()


def test_completion_of_words(root: Path, tmp_path: Path) -> None:
    assert "plain,list" in completions(root, "l")
    assert completions(root, "verify", "hello--1.0", "hello") == ["plain,hello--2.0"]
    assert completions(root, "add", "x") == ["file,"]
    assert completions(root, "build", "x") == ["dir,"]
    assert completions(root, "completion", "f") == ["plain,fish"]
    (tmp_path / "file").write_bytes(b"")
    assert completions(tmp_path / "file", "show", "h") == []
