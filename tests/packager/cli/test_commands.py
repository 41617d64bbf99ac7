"""The command line of packager as a program meets it: output, events, exit status, signals."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packager.base.byte_output import encode, printable
from packager.cli.definitions import PACKAGER as PROGRAM
from packager.cli.output import amount

from tests.packager.cli.conftest import HELLO
from tests.support.packager_command import PACKAGER, environment, staged, tar
from tests.support.packager_command import from_the_start as packager
from tests.support.web_server import body, cut, serve, status


def events(output: bytes) -> list[dict[str, object]]:
    assert output.endswith(b"\n")
    return [json.loads(line) for line in output.splitlines()]


# Formats


def test_list_in_every_format(root: Path) -> None:
    assert packager(root, "list", "--format=json").stdout == b'{"packages":[]}\n'
    assert packager(root, "list", "--format=ndjson").stdout == b""
    assert packager(root, "list").stdout == b""
    for package_id in ("b--2", "a+@_--1:1", "hello--1.0"):
        (root / "packages" / package_id).mkdir(parents=True)
    objects = [
        {"id": "a+@_--1:1", "name": "a+@_", "version": "1:1"},
        {"id": "b--2", "name": "b", "version": "2"},
        {"id": "hello--1.0", "name": "hello", "version": "1.0"},
    ]
    assert json.loads(packager(root, "list", "--format=json").stdout) == {"packages": objects}
    assert events(packager(root, "list", "--format=ndjson").stdout) == objects
    assert packager(root, "list").stdout.decode().splitlines() == [
        "ID          NAME   VERSION",
        "a+@_--1:1   a+@_   1:1",
        "b--2        b      2",
        "hello--1.0  hello  1.0",
    ]


def test_show_in_every_format(root: Path) -> None:
    archive = tar(pkginfo_json='{"description": "grüß\\u001bdich"}'.encode(), bin__x=b"12")
    packager(root, "add", "--id=hello--1.0", "-", stdin=archive)
    shown = json.loads(packager(root, "show", "--format=json", "hello--1.0").stdout)
    assert shown["sha256"] == hashlib.sha256(archive).hexdigest()
    assert (shown["id"], shown["name"], shown["version"]) == ("hello--1.0", "hello", "1.0")
    assert (shown["files"], shown["archive_size"]) == (2, len(archive))
    assert shown["pkginfo"] == {"description": "grüß\x1bdich"}
    table = packager(root, "show", "hello--1.0", LC_ALL="C").stdout
    assert b"id:      hello--1.0\n" in table
    assert "grüß".encode() in table
    assert b"\x1b" not in table


def test_add_remove_verify_in_every_format(root: Path, tmp_path: Path) -> None:
    archive = tmp_path / "hello--1.0.tar"
    archive.write_bytes(HELLO)
    first = packager(root, "add", archive)
    assert first.stdout == b"added hello--1.0 (1 file, 21 bytes)\n"
    assert first.stderr == b""
    again = json.loads(packager(root, "add", "--format=json", archive).stdout)
    assert (again["id"], again["changed"]) == ("hello--1.0", False)
    last = events(packager(root, "add", "--format=ndjson", archive).stdout)[-1]
    assert (last["event"], last["id"], last["changed"]) == ("added", "hello--1.0", False)

    assert packager(root, "verify").stdout == b"1 package verified, no difference\n"
    (root / "packages/hello--1.0/bin/hello").write_bytes(b"!")
    for words, different in ((["--format=json"], True), (["--format=ndjson"], True), ([], True)):
        result = packager(root, "verify", *words)
        assert (result.returncode == 65) == different
        assert b"bin/hello" in result.stdout
        assert b"1 of 1 package differs" in result.stderr
    document = json.loads(packager(root, "verify", "--format=json", "hello--1.0").stdout)
    assert document["ok"] is False
    assert document["packages"][0]["differences"][0]["path"] == "bin/hello"

    assert packager(root, "remove", "hello--1.0").stdout == b"removed hello--1.0\n"
    packager(root, "add", archive)
    removed = packager(root, "remove", "--format=json", "hello--1.0")
    assert json.loads(removed.stdout) == {"id": "hello--1.0", "removed": True}


def test_build(root: Path, tmp_path: Path) -> None:
    tree = tmp_path / "hello--1.0"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin/hello").write_text("hello")
    output = tmp_path / "out.tar.gz"
    words = ("build", "--compression=gzip", "--output", output, "--format=json", tree)
    built = json.loads(packager(root, *words).stdout)
    content = output.read_bytes()
    assert built["sha256"] == hashlib.sha256(content).hexdigest()
    assert (built["size"], built["path"]) == (len(content), str(output))
    piped = packager(root, "build", "--compression=gzip", "--output=-", tree)
    assert piped.stdout == content
    assert packager(root, "add", "-", stdin=content).stdout.startswith(b"added hello--1.0 ")
    inside = packager(root, "build", "--output", tree / "x.tar", tree)
    assert inside.returncode == 64
    (tree / "bin/fifo").unlink(missing_ok=True)
    os.mkfifo(tree / "bin/fifo")
    assert packager(root, "build", "--output", output, tree).returncode == 65
    assert output.read_bytes() == content
    assert sorted(each.name for each in tmp_path.iterdir()) == ["hello--1.0", "out.tar.gz", "root"]


def test_the_console_script(root: Path) -> None:
    script = Path(sys.executable).parent / "packager"
    for words in (["list", "--format=json"], ["--version"]):
        result = subprocess.run(
            [script, *words], capture_output=True, env=environment(root), timeout=30, check=True
        )
        assert result.stdout in (b'{"packages":[]}\n', b"packager 0.1.0\n")


def test_a_listing_imports_next_to_nothing(root: Path) -> None:
    """Whoever adds an import here adds it to every request; the benchmark tells how much it is."""
    line = "import sys; from packager.main import run; run(sys.argv[1:]); print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-I", "-c", line, "list", "--format=json"],
        capture_output=True,
        env=environment(root),
        timeout=30,
        check=True,
    )
    imported = set(result.stdout.decode().splitlines()[-1].split())
    heavy = {"click", "requests", "json", "re", "typing", "dataclasses", "enum", "collections"}
    assert not imported & {*heavy, "pathlib", "argparse", "functools", "signal", "contextlib"}


def test_a_local_archive_is_added_without_the_parts_for_remote_ones(root: Path) -> None:
    line = "import sys; from packager.main import run; run(sys.argv[1:]); print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-I", "-c", line, "add", "--id=a--1", "--format=json", "-"],
        input=HELLO,
        capture_output=True,
        env=environment(root),
        timeout=30,
        check=True,
    )
    imported = set(result.stdout.decode().splitlines()[-1].split())
    heavy = {"click", "requests", "urllib", "email", "dataclasses", "inspect", "socket", "random"}
    assert "packager.store.store" in imported
    assert not imported & {*heavy, "packager.repositories.retry_policy"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(root: Path, shell: str) -> None:
    assert b"_PACKAGER_COMPLETE" in packager(root, "completion", shell).stdout


@pytest.mark.parametrize("command", ["list", "show", "add", "remove", "verify", "build"])
def test_help_has_examples_and_exit_codes(root: Path, command: str) -> None:
    result = packager(root, command, "--help")
    assert result.returncode == 0
    assert f"\n  packager {command}".encode() in result.stdout
    assert b"\nExit codes:\n  0 " in result.stdout


# Exit status and the reason


def refused(root: Path, *words: str | Path, code: int, stdin: bytes = b"") -> str:
    result = packager(root, *words, stdin=stdin)
    reason = result.stderr.decode()
    assert result.returncode == code, reason
    assert result.stdout == b""
    assert "Traceback" not in reason
    return reason


def test_the_story_that_the_help_tells_is_true(tmp_path: Path) -> None:
    """Its commands work in this order, on packages made as it says."""
    told = packager(tmp_path / "store", "--help").stdout.decode()
    for number in ("1.0", "1.1"):
        (tmp_path / f"hello--{number}/bin").mkdir(parents=True)
        (tmp_path / f"hello--{number}/bin/hello").write_text(number)
    active = tmp_path / "store/active/bin/hello"
    seen = []
    for line, _ in PROGRAM.story[1]:
        assert f"  {line}  " in told
        if "1.1.tar" in line:
            packager(tmp_path / "store", "build", "hello--1.1", cwd=tmp_path)
        done = packager(tmp_path / "store", *line.split()[1:], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        seen.append(active.read_text() if active.exists() else "")
    assert seen == ["", "", *["1.0"] * 4, "1.1", "1.0", "1.0", "", ""]
    assert json.loads(packager(tmp_path / "store", "list", "--format=json").stdout) == {
        "packages": []
    }


def test_misspelled_words(root: Path) -> None:
    assert "Did you mean 'list'?" in refused(root, "lst", code=64)
    assert "--format" in refused(root, "list", "--formt=json", code=64)
    assert "'xml' is not one of" in refused(root, "list", "--format=xml", code=64)
    assert "Missing argument 'ID'" in refused(root, "show", code=64)
    assert "is not a package id" in refused(root, "show", "hello", code=64)
    assert "Commands:" in refused(root, code=64)


def test_refusals(hello: Path, tmp_path: Path) -> None:
    other = tar(bin__hello=b"other")
    assert "hello--1.0" in refused(hello, "add", "--id=hello--1.0", "-", stdin=other, code=73)
    assert "SHA-256" in refused(
        hello, "add", "--id=a--1", "--sha256=" + "0" * 64, "-", stdin=HELLO, code=65
    )
    assert "no such file" in refused(hello, "add", tmp_path / "a--1.tar", code=66)
    assert "packager build" in refused(hello, "add", tmp_path, code=64)
    assert "--id" in refused(hello, "add", "-", stdin=HELLO, code=64)
    assert "only http" in refused(hello, "add", "ftp://u:p@a.test/a--1.tar", code=64)
    assert "not installed" in refused(hello, "show", "nope--1", code=66)
    assert "not installed" in refused(hello, "remove", "nope--1", code=66)
    assert "not installed" in refused(hello, "verify", "nope--1", code=66)
    (tmp_path / "file").write_bytes(b"")
    assert "directory" in refused(tmp_path / "file", "list", code=78)
    assert "directory is needed" in refused(tmp_path / "file", "add", "-", stdin=HELLO, code=78)
    assert "another --root" in refused(Path("/proc/none"), "add", "-", stdin=HELLO, code=78)
    assert staged(hello) == []


def test_a_current_directory_that_is_gone(root: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    line = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
    words = [*PACKAGER, "--root=store", "add", "--id=a--1", "-"]
    result = subprocess.run(
        ["sh", "-c", line, "sh", gone, *words],
        input=HELLO,
        capture_output=True,
        env=environment(root, PYTHONSAFEPATH="1"),
        timeout=30,
        check=False,
    )
    assert b"current directory is gone" in result.stderr
    assert result.returncode == 78


def test_remote_refusals(root: Path) -> None:
    for line, code in (("404 No", 66), ("403 No", 77), ("400 No", 76), ("501 No", 69)):
        with serve(status(line)) as web:
            refused(root, "add", web.url(), code=code)
    with serve(body(HELLO)) as web:
        assert "not a package id" in refused(root, "add", web.url("/hello.tar"), code=64)
        assert web.requests == []  # an id that can't be is refused before anything is fetched
        refused(root, "add", "--size=7", web.url(), code=65)
    assert staged(root) == []


def test_nothing_of_a_name_reaches_the_terminal_as_a_command(root: Path) -> None:
    assert "\\x1b[31m" in refused(root, "add", "--id=a--1", "no\x1b[31msuch", code=66)
    assert printable("a\nb\x9b\u202e") == "a\nb\\x9b\\u202e"
    assert encode("\udcff") == "\ufffd".encode()


def test_amounts() -> None:
    sizes = (1, 999, 1000, 999_949, 999_950, 10**9, 5 * 10**12)
    shown = ["1 byte", "999 bytes", "1.0 kB", "999.9 kB", "1.0 MB", "1.0 GB", "5.0 TB"]
    assert [amount(size) for size in sizes] == shown


# Events


def test_events_of_a_download(root: Path) -> None:
    with serve(cut(HELLO, 100, ETag='"a"'), body(HELLO)) as web:
        result = packager(root, "add", "--format=ndjson", web.url())
    told = events(result.stdout)
    kinds = [each["event"] for each in told]
    assert kinds[0] == "fetching"
    assert kinds[-1] == "added"
    assert "retrying" in kinds
    first, *_, last = (each for each in told if each["event"] == "fetching")
    assert first == {"event": "fetching", "source": web.url(), "bytes": 0, "total": len(HELLO)}
    assert last["bytes"] == len(HELLO)
    assert b"trying again" in result.stderr


def test_the_last_event_of_a_failure_says_so(root: Path) -> None:
    with serve(body(HELLO)) as web:
        result = packager(root, "add", "--format=ndjson", "--sha256=" + "0" * 64, web.url())
    assert result.returncode == 65
    last = events(result.stdout)[-1]
    assert (last["event"], last["exit_code"]) == ("failed", 65)
    assert str(last["error"]) in result.stderr.decode()
    assert not (root / "packages").exists() or not list((root / "packages").iterdir())
