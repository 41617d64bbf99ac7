"""Several servers for one repository: which of them is asked, and what each may do."""

from __future__ import annotations

from pathlib import Path

from tests.support.fetching_host import SIZE, Host, events
from tests.support.repository_site import Site, archive, site
from tests.support.web_server import cut, head, raw, stall, status


def test_mirrors_in_order(host: Host, main: Site, tmp_path: Path) -> None:
    """The first is down for the archive, the second lies, the third is stuck, the last has it."""
    with (
        site(tmp_path / "main") as lying,
        site(tmp_path / "main") as stuck,
        site(tmp_path / "main") as good,
    ):
        main.faults["hello--1.0.tar"] = [status("404 Not Found")]
        data = archive("hello--1.0", description="Greets. \x1b[31m")
        lie = data.replace(b"bin/name", b"bin/evil")
        lying.faults["hello--1.0.tar"] = [raw(head("200 OK", Content_Length=len(lie)), lie)]
        stuck.faults["hello--1.0.tar"] = [stall(head("200 OK", Content_Length=len(data)))]
        mirrors = [lying.url, stuck.url, good.url]
        host.configure({"name": "main", "url": main.url, "mirrors": mirrors})
        said = host.run(
            *("fetch", "--format=ndjson", "--retries=0", "--read-timeout=0.3", "hello--1.0")
        )
    assert said.returncode == 0, said.stderr
    told = [each for each in events(said.stdout) if each["event"] == "mirror"]
    assert [each["source"] for each in told] == [
        url + "hello--1.0.tar" for url in (main.url, lying.url, stuck.url)
    ]
    assert [str(each["reason"]).split(",")[0][:20] for each in told] == [
        *("the server answered ", "the archive's SHA-25", "no answer"),
    ]
    assert b"trying the next mirror" in said.stderr


def test_a_mirror_has_the_index_when_the_first_has_not(host: Host, main: Site) -> None:
    host.configure({"name": "main", "url": "http://127.0.0.1:1/", "mirrors": [main.url]})
    said = host.fetch("hello--1.0")
    assert said.returncode == 0
    assert said.stderr.count(b"connection refused") == 1  # archives are asked where it went well


def test_all_mirrors_fail(host: Host, main: Site, tmp_path: Path) -> None:
    with site(tmp_path / "main") as second:
        main.faults["hello--1.0.tar"] = [status("404 Not Found")]
        second.faults["hello--1.0.tar"] = [status("500 Oops")]
        host.configure({"name": "main", "url": main.url, "mirrors": [second.url]})
        said = host.fetch("hello--1.0")
    assert said.returncode == 69  # it may be there: the second could not tell
    assert b"404" in said.stderr and b"500" in said.stderr


def test_mirrors_are_tried_again_when_all_are_down(host: Host, main: Site, tmp_path: Path) -> None:
    with site(tmp_path / "main") as second:
        main.faults["hello--1.0.tar"] = [status("503 Later")]
        good = archive("hello--1.0", description="Greets. \x1b[31m")
        whole = raw(head("200 OK", Content_Length=len(good)), good)
        second.faults["hello--1.0.tar"] = [status("503 Later"), whole]
        host.configure({"name": "main", "url": main.url, "mirrors": [second.url]})
        said = host.run("fetch", "--retries=1", "hello--1.0")
    assert said.returncode == 0
    assert b"trying again in" in said.stderr


def test_what_one_mirror_began_another_ends(host: Host, main: Site, tmp_path: Path) -> None:
    data = archive("big--1", SIZE)
    main.faults["big--1.tar"] = [cut(data, 100_000)]
    with site(tmp_path / "main") as second:
        host.configure({"name": "main", "url": main.url, "mirrors": [second.url]})
        assert host.fetch("big").returncode == 0
        (request,) = second.web.requests
    assert request.headers["range"] == "bytes=100000-"


def test_a_poisoned_beginning_is_thrown_away(host: Host, main: Site, tmp_path: Path) -> None:
    """The first mirror lies and breaks off: the second is not to blame for the wrong hash."""
    data = archive("big--1", SIZE)
    main.faults["big--1.tar"] = [cut(b"\0" * len(data), 100_000)]
    with site(tmp_path / "main") as second:
        host.configure({"name": "main", "url": main.url, "mirrors": [second.url]})
        assert host.fetch("big").returncode == 0
        assert [each.headers.get("range") for each in second.web.requests] == [
            *("bytes=100000-", None),
        ]
