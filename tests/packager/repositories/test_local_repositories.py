"""Repositories and archives on this host: directories, by their paths and by file URLs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.fetching_host import Host, make_index
from tests.support.repository_site import Site, put, site
from tests.support.signed_repository import World
from tests.support.web_server import serve, status


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A repository whose path has to be encoded in a URL."""
    made = tmp_path / "my pack%41ges"
    put(made, "hello--1.0+b")
    make_index(made)
    return made


@pytest.mark.parametrize("form", ["{}", "{}/", "file"])
def test_a_directory_is_a_repository(host: Host, directory: Path, form: str) -> None:
    url = directory.as_uri() if form == "file" else form.format(directory)
    host.configure({"name": "main", "url": url})
    assert host.run("search", "hello").returncode == 0
    fetched = host.fetch("--format=ndjson", "hello--1.0+b")
    assert (fetched.returncode, host.installed) == (0, ["hello--1.0+b"]), fetched.stderr
    assert directory.as_uri().encode() in fetched.stdout


def test_a_signed_directory_is_verified(tmp_path: Path) -> None:
    put(tmp_path / "repo", "hello--1.0")
    with site(tmp_path / "repo") as served:
        world = World(tmp_path, served)
        world.sign("own")
        keys = world.public("own")
    host = Host(tmp_path)
    repository = {"name": "main", "url": str(tmp_path / "repo"), "keys": keys, "trust": "require"}
    host.configure(repository)
    fetched = host.fetch("--format=ndjson", "hello")
    assert (fetched.returncode, b'"verified":true' in fetched.stdout) == (0, True), fetched.stderr


def test_pkgpanda_s_layout_in_a_directory(host: Host, tmp_path: Path) -> None:
    put(tmp_path / "old/packages/hello", "hello--1.0").rename(
        tmp_path / "old/packages/hello/hello--1.0.tar.xz"
    )
    host.configure({"name": "old", "url": str(tmp_path / "old"), "layout": "pkgpanda"})
    assert host.fetch("hello--1.0").returncode == 0


def test_a_server_and_a_directory_stand_in_for_each_other(host: Host, directory: Path) -> None:
    with serve(status("500 No")) as broken:
        for urls in ((broken.url("/"), str(directory)), (str(directory.parent), str(directory))):
            host.configure({"name": "main", "url": urls[0], "mirrors": [urls[1]]})
            assert host.fetch("hello--1.0+b").returncode == 0
            host.run("remove", "hello--1.0+b")


def test_what_is_wrong_with_a_directory(host: Host, directory: Path, tmp_path: Path) -> None:
    host.configure({"name": "main", "url": str(tmp_path / "nowhere")})
    missing = host.fetch("hello--1.0")
    assert missing.returncode == 66
    assert f"file://{tmp_path}/nowhere/index.json: there is no such file".encode() in missing.stderr
    host.configure({"name": "main", "url": str(directory)})
    archive = directory / "hello--1.0+b.tar"
    archive.write_bytes(archive.read_bytes() + bytes(512))
    changed = host.fetch("hello--1.0+b")
    assert (changed.returncode, b"bytes, expected" in changed.stderr) == (65, True)
    archive.unlink()
    os.mkfifo(archive)
    assert host.fetch("hello--1.0+b").returncode == 65  # and does not wait for a writer
    (directory / "index.json").chmod(0)
    if os.geteuid():
        assert host.fetch("hello--1.0+b").returncode == 77


def test_an_archive_by_its_file_url(host: Host, directory: Path) -> None:
    archive = directory / "hello--1.0+b.tar"
    assert host.run("add", archive.as_uri()).returncode == 0
    assert host.installed == ["hello--1.0+b"]
    repaired = host.run("repair", "--from", archive.as_uri(), "hello--1.0+b")
    assert repaired.returncode == 0
    for url, code in (
        (archive.as_uri() + "x", 66),
        ("file://elsewhere/hello--1.0.tar", 64),
        (directory.as_uri() + "/hello--1.0+b.tar?x", 64),
        ("http://[::1/hello--1.0.tar", 64),
        ("http://x:99999/hello--1.0.tar", 64),
        ("ftp://x/hello--1.0.tar", 64),
    ):
        refused = host.run("add", url)
        assert (refused.returncode, b"Traceback" in refused.stderr) == (code, False), url


def test_a_directory_is_added_as_the_archive_of_it_would_be(host: Host, tmp_path: Path) -> None:
    tree = tmp_path / "trees" / "hello--1.0"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin/hello").write_text("hello")
    assert host.run("add", f"{tree}/").returncode == 0
    built = tmp_path / "hello--1.0.tar.xz"
    assert host.run("build", "--output", built, tree).returncode == 0
    again = host.run("add", "--format=json", built)
    assert (again.returncode, b'"changed":false' in again.stdout) == (0, True)
    assert host.run("add", "--id=other--1", tree.as_uri()).returncode == 0
    assert host.installed == ["hello--1.0", "other--1"]
    for words, reason in (
        (("--sha256=" + "0" * 64, tree), b"are those of an archive"),
        ((tmp_path / "trees",), b"its name is not a package id"),
    ):
        refused = host.run("add", *words)
        assert (refused.returncode, reason in refused.stderr) == (64, True)
    (tree / "bin/hello").chmod(0o4755)
    hostile = host.run("add", "--id=third--1", tree)
    assert (hostile.returncode, b"setuid" in hostile.stderr) == (65, True)


def test_a_redirect_never_leads_to_a_file(host: Host, main: Site, directory: Path) -> None:
    location = (directory / "hello--1.0+b.tar").as_uri()
    main.faults["hello--1.0.tar"] = [status("302 Found", Location=location)]
    refused = host.run("add", main.url + "hello--1.0.tar")
    assert (refused.returncode, b"a redirect leads to a file: URL" in refused.stderr) == (76, True)
