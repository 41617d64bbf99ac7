"""Signed indexes against those who would have a host believe something else.

The repositories are real ones, served on loopback; the attacks are what a server, or a mirror, that
does not have the keys can do: change, withhold, mix, repeat.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from packager.base.errors import ConfigError, DataError, PackagerError, UsageError
from packager.repositories import configuration_file, tuf_signing
from packager.repositories.candidates import Repositories
from tuf.api.metadata import Metadata, MetaFile, Root, Timestamp

from tests.support.packager_command import from_the_start, packager
from tests.support.repository_site import configuration, put, site
from tests.support.signed_repository import QUICK, World
from tests.support.web_server import body


def test_a_signed_repository_is_verified(world: World) -> None:
    found = world.read()
    assert found.verified
    assert list(found.packages) == ["hello--1.0"]
    assert world.told == [("index", {"repository": "main", "packages": 1, "verified": True})]


def test_what_has_not_changed_is_not_fetched_again(world: World) -> None:
    world.read()
    world.site.web.requests.clear()
    world.read()
    assert world.site.paths == ["/metadata/2.root.json", "/metadata/timestamp.json"]
    world.sign("own")  # only signed again
    world.site.web.requests.clear()
    world.read()
    assert not any(path.endswith("index.json") for path in world.site.paths)


def test_news_arrive(world: World) -> None:
    world.read()
    put(world.repo, "hello--1.1")
    world.sign("own")
    assert sorted(world.read().packages) == ["hello--1.0", "hello--1.1"]


def test_the_plain_index_is_not_looked_at(world: World) -> None:
    (world.repo / "index.json").write_text("{}")
    assert world.read().verified
    assert "/index.json" not in world.site.paths


def test_unsigned_is_refused(world: World) -> None:
    with world.refused("repository main: it is not signed"):
        shutil.rmtree(world.metadata)


def test_signed_by_somebody_else(world: World) -> None:
    with pytest.raises(DataError, match="none of its roots is signed by 1 of the configured keys"):
        world.read("other")


def test_a_root_that_calls_another_key_ours(world: World) -> None:
    ours, theirs = world.key("other"), world.key("own")

    def disguise(signed: dict[str, object]) -> None:
        listed = signed["keys"]
        assert isinstance(listed, dict)
        # our key under the attacker's name: the signature there is the attacker's
        listed[theirs.public_key.keyid]["keyval"]["public"] = ours.public_key.keyval["public"]

    with world.refused("none of its roots", "other"):
        world.edit("1.root.json", disguise)


def test_a_tampered_index(world: World) -> None:
    with world.refused("metadata is inconsistent"):
        (copy,) = world.metadata.glob("*.index.json")
        copy.write_bytes(copy.read_bytes().replace(b"hello--1.0", b"evil1--1.0"))


@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.targets.json"])
def test_tampered_metadata(world: World, name: str) -> None:
    with world.refused(
        "not signed with the trusted keys|metadata is inconsistent|the file is larger"
    ):
        world.edit(name, lambda signed: signed.update(expires="2099-01-01T00:00:00Z"))


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"\xff", b"[" * 50_000, b'{"signed":{},"signatures":[]}', b"9" * 6000],
)
@pytest.mark.parametrize("name", ["1.root.json", "timestamp.json"])
def test_hostile_metadata(world: World, name: str, content: bytes) -> None:
    with world.refused("metadata is refused|the file is larger than|not signed by"):
        (world.metadata / name).write_bytes(content)


def test_endless_metadata(world: World) -> None:
    with world.refused("larger than"):
        (world.metadata / "timestamp.json").write_bytes(b" " * 100_000)


@pytest.mark.parametrize("before", [False, True])
def test_expired(world: World, before: bool) -> None:
    """Whether the host knows the repository or not: a repository that nobody signs any more, or
    one whose news somebody withholds, ends when its time is over (a freeze attack)."""
    if before:
        world.read()
    with world.refused("expired"):
        world.sign("own", days=-1)


def test_an_expired_root(world: World) -> None:
    with world.refused("root.json is expired"):
        world.trust("own", days=-1)


def rolled_back(world: World) -> None:
    """Have the host see version 2, then show it version 1 again."""
    kept = world.path / "kept"
    shutil.copytree(world.metadata, kept)
    put(world.repo, "hello--1.1")
    world.sign("own")
    world.read()
    shutil.rmtree(world.metadata)
    shutil.copytree(kept, world.metadata)


def test_rolled_back(world: World) -> None:
    with world.refused("older than the version that was seen before"):
        rolled_back(world)
    with world.refused("older than the version that was seen before"):
        pass  # refusing has not made it forget


def test_who_remembers_nothing_sees_no_rollback_but_changes_nothing(world: World) -> None:
    world.read(remember=False)
    assert not (world.path / "root").exists()


def test_a_rollback_that_only_the_snapshot_tells(world: World) -> None:
    """A new timestamp, signed, for an old snapshot: what a stolen timestamp key could do."""
    kept = (world.metadata / "1.snapshot.json").read_bytes()
    world.sign("own")
    world.read()
    with world.refused("older than the version that was seen"):
        path = world.metadata / "timestamp.json"
        timestamp = Metadata[Timestamp].from_bytes(path.read_bytes())
        timestamp.signed.version += 1
        timestamp.signed.snapshot_meta = MetaFile.from_data(1, kept, ["sha256"])
        timestamp.sign(world.key("own"))
        path.write_bytes(timestamp.to_bytes())


def test_mix_and_match(world: World) -> None:
    """Parts of two versions, each of them rightly signed."""
    world.sign("own")
    with world.refused("metadata is inconsistent"):
        shutil.copy(world.metadata / "1.targets.json", world.metadata / "2.targets.json")
    world.sign("own")
    with world.refused("metadata is inconsistent"):
        shutil.copy(world.metadata / "1.snapshot.json", world.metadata / "3.snapshot.json")


def test_missing_parts_are_no_reason_to_believe(world: World) -> None:
    (world.metadata / "1.targets.json").unlink()
    with pytest.raises(PackagerError, match=r"repository main: .*1\.targets\.json.*404"):
        world.read()


def test_keys_are_rotated(world: World) -> None:
    world.read()
    world.trust("own", signing_keys=world.publics("daily"))
    world.sign("daily")
    assert world.read().verified
    world.trust("own", "next", root_keys=world.publics("next"))
    assert world.read().verified  # two roots at once, signed by those before
    assert world.read("next").verified  # a host that names the new key already
    shutil.rmtree(world.path / "root")
    assert world.read("own").verified  # a new host that names the old one still
    shutil.rmtree(world.path / "root")
    assert world.read("next").verified


def test_a_revoked_key_signs_nothing_any_more(world: World) -> None:
    world.trust("own", signing_keys=world.publics("daily"))
    world.sign("daily")
    world.read()
    with pytest.raises(ConfigError, match="lets other keys sign"):
        world.sign("own")
    stolen = world.metadata / "timestamp.json"
    with world.refused("not signed with the trusted keys"):
        timestamp = Metadata[Timestamp].from_bytes(stolen.read_bytes())
        timestamp.signed.version += 1
        timestamp.sign(world.key("own"))
        stolen.write_bytes(timestamp.to_bytes())


def test_a_version_that_was_driven_up_can_be_left_by_another_key(world: World) -> None:
    """A stolen key signs version 2,000,000,000; a new root with another key ends that."""
    stolen = world.metadata / "timestamp.json"
    honest = stolen.read_bytes()
    timestamp = Metadata[Timestamp].from_bytes(honest)
    timestamp.signed.version = 2_000_000_000
    timestamp.sign(world.key("own"))
    stolen.write_bytes(timestamp.to_bytes())
    world.read()
    stolen.write_bytes(honest)
    world.trust("own", signing_keys=world.publics("daily"))
    world.sign("daily")
    assert world.read().verified


def test_a_forged_root(world: World) -> None:
    world.read()
    with world.refused("not signed with the trusted keys"):
        shutil.copytree(world.repo, world.path / "evil" / "repo")
        evil = World(world.path / "evil", world.site)
        shutil.copy(world.path / "own.key", evil.path / "own.key")
        evil.trust("own", "thief", root_keys=evil.publics("thief"))
        forged = Metadata[Root].from_bytes((evil.metadata / "2.root.json").read_bytes())
        del forged.signatures[world.key("own").public_key.keyid]
        (world.metadata / "2.root.json").write_bytes(forged.to_bytes())


def test_a_threshold(world: World) -> None:
    world.trust("own", "second", root_keys=world.publics("own", "second"), threshold=2)
    world.sign("own")
    assert world.read("own", "second", threshold=2).verified
    with pytest.raises(UsageError, match="has to be signed by 2 of"):
        world.trust("own", signing_keys=world.publics("thief"))
    with pytest.raises(UsageError, match="can't come from"):
        world.trust("own", "second", threshold=3)


def test_other_keys_in_the_configuration_begin_anew(world: World) -> None:
    """Only an operator can do that: the old memory does not count for the new keys."""
    world.read()
    shutil.rmtree(world.metadata)
    world.sign("fresh")
    with world.refused("not signed with the trusted keys|older than"):
        pass
    assert world.read("fresh").verified
    assert world.read("fresh").verified


def test_warn_says_so_and_goes_on(world: World) -> None:
    shutil.rmtree(world.metadata)
    found = world.read(trust="warn")
    assert not found.verified
    assert list(found.packages) == ["hello--1.0"]
    (event, fields), *_ = world.told
    assert event == "warning"
    assert "main is not verified: it is not signed" in str(fields["message"])


def test_warn_verifies_what_can_be(world: World) -> None:
    assert world.read(trust="warn").verified


def test_off_asks_for_no_signature(world: World) -> None:
    found = world.read(trust="off")
    assert not found.verified
    assert world.site.paths == ["/index.json"]


def test_a_mirror_that_is_frozen_is_left_for_the_next(world: World) -> None:
    old = world.path / "old"
    shutil.copytree(world.repo, old)
    put(world.repo, "hello--1.1")
    world.sign("own")
    world.read()
    with site(old) as stale:
        repository = configuration_file.Repository(
            "main",
            (stale.url, world.site.url),
            keys=(world.public("own")[0].removeprefix("ed25519:"),),
        )
        repositories = Repositories(
            (repository,),
            str(world.path / "root"),
            policy=QUICK,
            emit=lambda event, /, **fields: world.told.append((event, fields)),
            scratch=str(world.path),
        )
        found = repositories.open(repository)
    assert sorted(found.packages) == ["hello--1.0", "hello--1.1"]
    assert found.candidate("hello--1.0").urls[0].startswith(world.site.url)
    assert ("mirror", "older than") in [
        (event, str(fields.get("reason"))[6:16]) for event, fields in world.told
    ]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"seen":1,"anchors":[],"documents":{"root":"{}"}}', b"\xff"]
)
def test_a_damaged_memory_is_not_a_fresh_start(world: World, content: bytes) -> None:
    world.read()
    place = world.path / "root" / "repositories" / "main" / "trusted.json"
    place.write_bytes(content)
    with world.refused("trusted.json: what was last seen of the repository can't be read"):
        pass


def test_the_memory_never_goes_back(world: World) -> None:
    from packager.repositories import trusted_metadata

    root = str(world.path / "root")
    world.read()
    older = trusted_metadata.load(root, "main")
    assert older is not None
    world.sign("own")
    world.read()
    newer = trusted_metadata.load(root, "main")
    assert newer is not None and newer.age > older.age
    trusted_metadata.save(root, "main", older)  # a command that began earlier comes to its end
    again = trusted_metadata.load(root, "main")
    assert again is not None and again.age == newer.age


def test_old_versions_are_cleared_away(world: World) -> None:
    for number in range(6):
        put(world.repo, f"hello--2.{number}")
        world.sign("own")
    names = sorted(each.name for each in world.metadata.iterdir() if len(each.name) < 40)
    versions = [f"{number}.{role}.json" for number in (5, 6, 7) for role in ("snapshot", "targets")]
    assert names == ["1.root.json", *versions, "timestamp.json"]
    assert len(list(world.metadata.glob("*.index.json"))) == tuf_signing.KEPT_VERSIONS


def test_a_root_that_can_be_is_renewed_in_time(world: World) -> None:
    world.trust("own", days=10)
    world.sign("own", days=30)
    assert (world.metadata / "3.root.json").exists()
    assert world.read().verified


def test_without_the_libraries(world: World) -> None:
    missing = world.path / "missing" / "tuf"
    missing.mkdir(parents=True)
    (missing / "__init__.py").write_text("raise ImportError('gone', name='tuf')")
    settings = configuration(
        world.path / "c.toml",
        {"name": "main", "url": world.site.url, "keys": world.public("own")},
    )
    said = from_the_start(
        world.path / "root",
        *("fetch", "--config", settings, "hello--1.0"),
        PYTHONPATH=os.pathsep.join([str(missing.parent), *sys.path]),
    )
    assert said.returncode == 78
    assert b"install the extra 'signed'" in said.stderr


def test_the_commands(world: World, tmp_path: Path) -> None:
    root = tmp_path / "root"
    made = packager(root, "key", "--new", tmp_path / "new.key")
    assert made.returncode == 0
    assert (tmp_path / "new.key").stat().st_mode & 0o777 == 0o600
    assert packager(root, "key", tmp_path / "new.key").stdout == made.stdout
    assert packager(root, "key", "--new", tmp_path / "new.key").returncode == 73
    assert packager(root, "key", tmp_path / "none.key").returncode == 66
    assert packager(root, "key", tmp_path / "repo" / "index.json").returncode == 65
    unsigned = packager(root, "index", world.repo)
    assert (unsigned.returncode, b"--sign" in unsigned.stderr) == (64, True)
    word = made.stdout.decode().strip()
    said = packager(
        root, "trust", "--sign", tmp_path / "own.key", "--signing-keys", word, world.repo
    )
    assert said.stdout.startswith(b"root:     version 2, until ")
    wrong = packager(root, "index", "--sign", tmp_path / "own.key", world.repo)
    assert (wrong.returncode, word in wrong.stderr.decode()) == (78, True)
    signed = packager(root, "index", "--format=json", "--sign", tmp_path / "new.key", world.repo)
    assert json.loads(signed.stdout)["signed"]["keys"] == world.public("own")
    assert world.read().verified


def test_a_redirect_to_a_file_is_refused(world: World) -> None:
    from tests.support.web_server import status

    world.site.faults["metadata/1.root.json"] = [status("302 Found", Location="file:///etc/passwd")]
    with pytest.raises(PackagerError, match="a redirect leads to a file: URL"):
        world.read()
    world.site.faults["metadata/1.root.json"] = [body(b"x" * 600_000)]
    with pytest.raises(DataError, match="larger than"):
        world.read()
