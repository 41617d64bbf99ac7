"""A signed repository that was restored from a backup, and what answers in place of a signature."""

from __future__ import annotations

import shutil

import pytest
from packager.base.errors import DataError, Denied, UsageError
from packager.repositories import tuf_signing
from packager.repositories.index_build import index, opened
from tuf.api.metadata import Metadata, MetaFile, Snapshot, Timestamp

from tests.support.packager_command import packager
from tests.support.repository_site import put
from tests.support.signed_repository import World
from tests.support.web_server import Answer, body, status


def restored(world: World) -> None:
    """Have the host see version 3 of the repository, then put version 1 back."""
    kept = world.path / "kept"
    shutil.copytree(world.repo, kept)
    for name in ("lost--1", "lost--2"):
        put(world.repo, name)
        world.sign("own")
    world.read()
    shutil.rmtree(world.repo)
    shutil.copytree(kept, world.repo)


def test_other_content_under_a_version_that_was_seen_is_not_passed_over(world: World) -> None:
    restored(world)
    put(world.repo, "other--1")
    with world.refused(r"older than the version.*index --sign KEY --version"):
        world.sign("own")
    with world.refused(r"version 3 as one that was seen before.*index --sign KEY --version"):
        world.sign("own")  # version 3 once more: other content
    world.sign("own")
    assert sorted(world.read().packages) == ["hello--1.0", "other--1"]


def test_a_restored_repository_goes_on_with_a_later_version(world: World) -> None:
    restored(world)
    put(world.repo, "other--1")
    key, said = world.path / "own.key", ("--format=json", "--version")
    signed = packager(world.path / "root", "index", "--sign", key, *said, "100", world.repo)
    assert (signed.returncode, b'"version":100,' in signed.stdout) == (0, True)
    assert sorted(world.read().packages) == ["hello--1.0", "other--1"]
    for version, reason in (("100", b"the next one is 101"), ("10000000000", b"too large")):
        again = packager(world.path / "root", "index", "--sign", key, *said, version, world.repo)
        assert (again.returncode, reason in again.stderr) == (64, True)
    unsigned = packager(world.path / "root", "index", "--version", "7", world.repo)
    assert (unsigned.returncode, b"--sign" in unsigned.stderr) == (64, True)
    world.sign("own")
    assert world.read().verified


def test_signed_twice_over_one_snapshot_is_the_same(world: World) -> None:
    """Two jobs that sign at once; neither hides anything."""
    world.read()
    path = world.metadata / "timestamp.json"
    timestamp = Metadata[Timestamp].from_bytes(path.read_bytes())
    timestamp.signed.expires = timestamp.signed.expires.replace(year=2100)
    timestamp.sign(world.key("own"))
    path.write_bytes(timestamp.to_bytes())
    assert world.read().verified


def test_another_snapshot_under_its_version_is_not_passed_over(world: World) -> None:
    world.read()
    with world.refused(r"snapshot is version 1 as one that was seen before"):
        path = world.metadata / "1.snapshot.json"
        snapshot = Metadata[Snapshot].from_bytes(path.read_bytes())
        snapshot.signed.expires = snapshot.signed.expires.replace(year=2100)
        snapshot.sign(world.key("own"))
        path.write_bytes(snapshot.to_bytes())
        stamp = world.metadata / "timestamp.json"
        timestamp = Metadata[Timestamp].from_bytes(stamp.read_bytes())
        timestamp.signed.version += 1
        timestamp.signed.snapshot_meta = MetaFile.from_data(1, path.read_bytes(), ["sha256"])
        timestamp.sign(world.key("own"))
        stamp.write_bytes(timestamp.to_bytes())


def test_versions_are_what_was_asked_for(world: World) -> None:
    with opened(str(world.repo)) as top:
        made = index(top, lambda event, /, **fields: None)
        keys = [world.key("own")]
        assert tuf_signing.sign(top, made.content, keys, days=1, version=2).version == 2
        with pytest.raises(UsageError, match="the next one is 3"):
            tuf_signing.sign(top, made.content, keys, days=1, version=2)


@pytest.mark.parametrize("name", ["1.root.json", "2.root.json", "timestamp.json"])
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("401 Unauthorized", "wants a user and a password"),
        ("407 Proxy Authentication Required", "the proxy wants"),
        ("451 Unavailable For Legal Reasons", "451 Unavailable"),
    ],
)
def test_who_may_not_read_is_not_told_that_it_is_unsigned(
    world: World, name: str, line: str, reason: str
) -> None:
    world.site.faults[f"metadata/{name}"] = [status(line)]
    with pytest.raises(Denied, match=rf"repository main: .*{name}: .*{reason}"):
        world.read()


def test_a_403_is_what_object_stores_say_of_what_is_not_there(world: World) -> None:
    world.site.faults["metadata/2.root.json"] = [status("403 Forbidden")]
    assert world.read().verified
    world.site.faults["metadata/1.root.json"] = [status("403 Forbidden")]
    shutil.rmtree(world.path / "root")
    with pytest.raises(DataError, match=r"it is not signed: .* or it may not be read .*403"):
        world.read()


PAGE: Answer = body(b"<!doctype html><title>Log in</title>")


@pytest.mark.parametrize("name", ["1.root.json", "2.root.json", "timestamp.json", "1.targets.json"])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [(PAGE, "it is an HTML page"), (body(b"busy"), "deserialize"), (body(b'{"a":'), "deserialize")],
)
def test_what_came_in_place_of_metadata_is_named(
    world: World, name: str, answer: Answer, reason: str
) -> None:
    world.site.faults[f"metadata/{name}"] = [answer]
    with pytest.raises(DataError, match=rf"{name}: .*{reason}|inconsistent"):
        world.read()


def test_metadata_is_asked_for_past_what_caches_have(world: World) -> None:
    world.read()
    asked = {each.headers.get("cache-control") for each in world.site.web.requests}
    assert asked == {"max-age=0"}
