"""`packager fetch` and `packager search` as programs meet them: many packages, many servers."""

from __future__ import annotations

import json
import os
import pty
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.support.fetching_host import SIZE, Host, events, make_index
from tests.support.packager_command import packager, staged
from tests.support.repository_site import Site, archive, put, site
from tests.support.web_server import cut, head, raw, stall, status


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_ids_names_and_ranges(host: Host, main: Site) -> None:
    host.configure({"name": "main", "url": main.url})
    said = host.fetch("--format=json", "hello", "hello<1.10", "hello--1.0", "hello--1.0")
    assert said.returncode == 0
    document = json.loads(said.stdout)
    assert [each["id"] for each in document["packages"]] == [
        *("hello--1.10", "hello--1.9", "hello--1.0"),
    ]
    assert document["ok"] and all(
        (each["ok"], each["changed"], each["verified"]) == (True, True, False)
        for each in document["packages"]
    )
    assert host.installed == ["hello--1.0", "hello--1.10", "hello--1.9"]
    assert (host.parts, staged(host.root)) == ([], [])
    table = host.fetch("hello--1.0", "big").stdout.decode().splitlines()
    assert table[0] == "hello--1.0 was there already, with the same content, unverified"
    assert table[1].startswith("added big--1 (2 files, ")


def test_what_they_require_comes_too(host: Host, main: Site) -> None:
    host.configure({"name": "main", "url": main.url})
    assert host.fetch("--requires", "web").returncode == 0
    assert host.installed == ["big--1", "hello--1.9", "web--2.0"]


def test_events(host: Host, main: Site) -> None:
    host.configure({"name": "main", "url": main.url})
    said = host.fetch("--format=ndjson", "hello--1.0", "big")
    told = events(said.stdout)
    assert told[0] == {"event": "index", "repository": "main", "packages": 5, "verified": False}
    big = [each for each in told if each.get("id") == "big--1"]
    assert big[0]["event"] == "fetching"
    last = next(each for each in reversed(big) if each["event"] == "fetching")
    assert last["bytes"] == last["total"] == len(archive("big--1", SIZE))
    fetched = {"event": "fetched", "id": "big--1", "source": main.url + "big--1.tar"}
    assert {**fetched, "repository": "main"} in big
    assert big[-1]["event"] == "added"
    assert (big[-1]["repository"], big[-1]["verified"]) == ("main", False)


def test_one_that_fails_does_not_stop_the_others(host: Host, main: Site, tmp_path: Path) -> None:
    names = [f"p{number}--1" for number in range(10)]
    for name in names:
        put(tmp_path / "main", name)
    make_index(tmp_path / "main")
    host.configure({"name": "main", "url": main.url})
    main.faults["p4--1.tar"] = [status("404 Not Found")]
    (tmp_path / "main" / "p7--1.tar").write_bytes(archive("p7--2"))
    said = host.fetch("--format=ndjson", "--parallel=3", *names)
    assert said.returncode == 66  # of the first that failed
    assert host.installed == [each for each in names if each not in ("p4--1", "p7--1")]
    failed = {str(e["id"]): e for e in events(said.stdout) if e["event"] == "failed"}
    assert failed["p4--1"]["exit_code"] == 66
    assert failed["p7--1"]["exit_code"] == 65
    assert "SHA-256" in str(failed["p7--1"]["error"])
    assert b"packager: p4--1: http://" in said.stderr
    assert staged(host.root) == []


def test_at_most_so_many_at_once(host: Host, main: Site) -> None:
    host.configure({"name": "main", "url": main.url})
    for name in ("hello--1.0", "hello--1.9", "hello--1.10"):
        main.faults[f"{name}.tar"] = [stall()]
    running = host.start("--parallel=2", "hello--1.0", "hello--1.9", "hello--1.10")
    try:
        until(lambda: sum(path.startswith("/hello") for path in main.paths) == 2)
        assert len(psutil.Process(running.pid).children()) == 2
    finally:
        running.terminate()
        assert running.wait(20) == -signal.SIGTERM
    assert sum(path.startswith("/hello") for path in main.paths) == 2


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_killed_in_the_middle_and_resumed(host: Host, main: Site, how: signal.Signals) -> None:
    data = archive("big--1", SIZE)
    broken = stall(head("200 OK", Content_Length=len(data)), data[:150_000])
    main.faults["big--1.tar"] = [broken]
    host.configure({"name": "main", "url": main.url})
    running = host.start("big", "hello--1.0")
    workers: list[psutil.Process] = []
    try:
        # The process may end while it is looked at, but its download does not by itself.
        until(lambda: _received(host) == [150_000] and "hello--1.0" in host.installed)
        until(lambda: len(psutil.Process(running.pid).children()) == 1)
        workers = psutil.Process(running.pid).children()
    finally:
        running.send_signal(how)
        assert running.wait(20) == -how
    assert psutil.wait_procs(workers, 10)[1] == []  # nobody outlives it
    assert host.installed == ["hello--1.0"]
    assert _received(host) == [150_000]
    del main.faults["big--1.tar"]
    main.web.requests.clear()
    assert host.fetch("big", "hello--1.0").returncode == 0
    assert host.installed == ["big--1", "hello--1.0"]
    assert main.paths == ["/index.json", "/big--1.tar"]
    assert main.web.requests[1].headers["range"] == "bytes=150000-"
    assert (host.parts, staged(host.root)) == ([], [])


def _received(host: Host) -> list[int]:
    try:
        return [path.stat().st_size for path in host.parts]
    except FileNotFoundError:
        return []


def test_a_damaged_part_is_begun_anew(host: Host, main: Site, tmp_path: Path) -> None:
    data = archive("big--1", SIZE)
    for damaged in (b"\0" * 5000, b"\0" * len(data), b"\0" * (len(data) + 1)):
        import hashlib

        part = host.root / "downloads" / hashlib.sha256(data).hexdigest()
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(damaged)
        host.configure({"name": "main", "url": main.url})
        assert host.fetch("big").returncode == 0
        assert host.run("remove", "big--1").returncode == 0
        assert not part.exists()


def test_what_is_refused_is_not_kept(host: Host, main: Site, tmp_path: Path) -> None:
    put(tmp_path / "main", "evil--1")
    make_index(tmp_path / "main")
    document = json.loads((tmp_path / "main" / "index.json").read_bytes())
    content = b"no archive at all"
    import hashlib

    (tmp_path / "main" / "evil--1.tar").write_bytes(content)
    for each in document["packages"]:
        if each["id"] == "evil--1":
            each["size"], each["sha256"] = len(content), hashlib.sha256(content).hexdigest()
    (tmp_path / "main" / "index.json").write_text(json.dumps(document))
    host.configure({"name": "main", "url": main.url})
    said = host.fetch("evil--1")
    assert (said.returncode, host.parts, staged(host.root)) == (65, [], [])


def test_two_at_once_for_the_same_package(host: Host, main: Site) -> None:
    data = archive("big--1", SIZE)
    main.faults["big--1.tar"] = [stall(head("200 OK", Content_Length=len(data)), data[:150_000])]
    host.configure({"name": "main", "url": main.url})
    first = host.start("big")
    try:
        until(lambda: _received(host) == [150_000])
        del main.faults["big--1.tar"]
        assert host.fetch("big").returncode == 0  # it does not wait for the first
        assert host.installed == ["big--1"]
    finally:
        first.kill()
        first.wait(20)


def test_repositories_in_order(host: Host, main: Site, tmp_path: Path) -> None:
    put(tmp_path / "other", "hello--99")
    put(tmp_path / "other", "only--1")
    put(tmp_path / "other", "hello--1.0", other=True)
    make_index(tmp_path / "other")
    with site(tmp_path / "other") as other:
        host.configure({"name": "main", "url": main.url}, {"name": "other", "url": other.url})
        assert host.fetch("hello", "hello--1.0").returncode == 0
        assert other.paths == []  # the first has them: nobody else is asked
        assert host.fetch("only", "hello--99").returncode == 0
        nothing = host.fetch("hello>=2")
        assert nothing.returncode == 66
        assert b"hello>=2: repository main has only hello--1.0, " in nothing.stderr
        main.faults["index.json"] = [status("403 Forbidden")]
        blocked = host.fetch("only")
    # A repository that is kept from us does not hand its names to the next one.
    assert (blocked.returncode, b"repository main: " in blocked.stderr) == (77, True)
    assert host.installed == ["hello--1.0", "hello--1.10", "hello--99", "only--1"]


def test_the_layout_of_pkgpanda(host: Host, main: Site, tmp_path: Path) -> None:
    place = tmp_path / "panda" / "packages" / "old" / "old--abc.tar.xz"
    place.parent.mkdir(parents=True)
    place.write_bytes(archive("old--abc"))
    with site(tmp_path / "panda") as panda:
        host.configure(
            {"name": "panda", "url": panda.url, "layout": "pkgpanda"},
            {"name": "main", "url": main.url},
        )
        said = host.fetch("--format=json", "old--abc", "hello--1.0")
        assert said.returncode == 0
        old, hello = json.loads(said.stdout)["packages"]
        assert (old["repository"], old["verified"]) == ("panda", False)
        assert hello["repository"] == "main"
        assert panda.paths == ["/packages/old/old--abc.tar.xz"]
        assert b"by its whole id only" in host.fetch("old").stderr
        assert host.fetch("gone--1").returncode == 66
        assert host.fetch("old--abc").stdout.endswith(b"the same content, unverified\n")


def test_wrong_words_and_settings(host: Host, main: Site) -> None:
    assert host.fetch("x").returncode == 78
    assert b"config.toml: there is no such file" in host.fetch("x").stderr
    host.configure({"name": "main", "url": main.url})
    assert host.fetch().returncode == 64
    assert host.fetch("..").returncode == 64
    assert host.fetch("--", "-x").returncode == 64
    assert host.fetch("hello>=x y").returncode == 64
    unknown = host.fetch("nope")
    assert (unknown.returncode, unknown.stdout) == (66, b"")
    assert packager(host.root, "fetch", "--config", host.path / "none", "x").returncode == 78
    host.config.write_text("")
    assert b"no repository is configured" in host.fetch("x").stderr


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>login</html>", b"JSON was expected, and it is an HTML page"),
        (b'{"index":1,"packages":[', b"is refused: it is not JSON"),
        (b'{"index":1,"packages":[{"id":"../x--1"}]}', b"/packages/0/id"),
        (b'{"index":1,"packages":[]}' + b" " * (65 << 20), b"larger than"),
    ],
)
def test_an_index_that_is_none(host: Host, main: Site, content: bytes, reason: bytes) -> None:
    main.faults["index.json"] = [raw(head("200 OK", Content_Length=len(content)), content)]
    host.configure({"name": "main", "url": main.url})
    for command in ("fetch", "search"):
        said = host.run(command, "--retries=0", "hello")
        assert (said.returncode, reason in said.stderr) == (65, True)
    assert (host.installed, staged(host.root)) == ([], [])


def test_an_index_that_is_cut_or_never_comes(host: Host, main: Site) -> None:
    content = (main.directory / "index.json").read_bytes()
    host.configure({"name": "main", "url": main.url})
    main.faults["index.json"] = [cut(content, 100)]
    assert host.fetch("hello").returncode == 69
    main.faults["index.json"] = [stall(head("200 OK", Content_Length=len(content)))]
    said = host.run("fetch", "--retries=0", "--read-timeout=0.3", "hello")
    assert (said.returncode, b"no answer" in said.stderr) == (69, True)


def test_search(host: Host, main: Site) -> None:
    host.configure({"name": "main", "url": main.url})
    assert host.fetch("hello--1.0").returncode == 0
    lines = host.run("search", "HELLO").stdout.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["ID", "hello--1.0", "hello--1.9", "hello--1.10"]
    assert "unverified  installed  Greets. \\x1b[31m" in lines[1]
    found = json.loads(host.run("search", "--format=json", "greets", "hello").stdout)
    (hello,) = found["packages"]
    assert (hello["id"], hello["installed"], hello["repository"]) == ("hello--1.0", True, "main")
    assert hello["pkginfo"] == {"description": "Greets. \x1b[31m"}
    assert found["repositories"] == [{"name": "main", "ok": True, "verified": False}]
    assert len(json.loads(host.run("search", "--format=json").stdout)["packages"]) == 5
    assert host.run("search", "nothing-like-it").stdout == b""


def test_search_goes_on_without_a_repository(host: Host, main: Site) -> None:
    gone = {"name": "gone", "url": "http://127.0.0.1:1/"}
    host.configure(gone, {"name": "main", "url": main.url})
    said = host.run("search", "--retries=0", "--format=json", "big")
    document = json.loads(said.stdout)
    assert [each["id"] for each in document["packages"]] == ["big--1"]
    assert document["repositories"][1]["ok"] is False
    assert "connection refused" in document["repositories"][1]["error"]
    host.configure(gone)
    assert host.run("search", "--retries=0").returncode == 69


def test_one_bar_for_all(host: Host, main: Site) -> None:
    host.configure({"name": "main", "url": main.url})
    main.faults["hello--1.9.tar"] = [status("404 Not Found")]
    terminal, end = pty.openpty()
    running = host.start("big", "hello--1.0", "hello--1.9", stderr=end)
    os.close(end)
    drawn = b""
    try:
        while piece := os.read(terminal, 65536):
            drawn += piece
    except OSError:  # how Linux says that the last writer is gone
        pass
    os.close(terminal)
    stdout, _ = running.communicate(timeout=20)
    assert running.returncode == 66
    assert stdout.startswith(b"added big--1 ")
    assert b"Fetching" in drawn and b"3 of 3" in drawn
    assert b"packager: hello--1.9: http://" in drawn


def test_completion_offers_what_was_last_seen(host: Host, main: Site) -> None:
    place = host.root / "repositories" / "main"
    place.mkdir(parents=True)
    (place / "index.json").write_bytes((main.directory / "index.json").read_bytes())
    (host.root / "repositories" / "bad").mkdir()
    (host.root / "repositories" / "bad" / "index.json").write_bytes(b"{")
    said = packager(
        host.root,
        _PACKAGER_COMPLETE="bash_complete",
        COMP_WORDS="packager fetch hello--1.0 hel",
        COMP_CWORD="3",
    )
    assert said.stdout.split() == [b"plain,hello--1.10", b"plain,hello--1.9"]
