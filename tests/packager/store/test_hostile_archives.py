"""Archives that must not be taken: each is refused by name, and leaves nothing behind."""

from __future__ import annotations

import bz2
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packager.archive.limits import Limits
from packager.base.errors import DataError
from packager.store.store import Store

from tests.support.tar_archives import (
    BLOCK,
    COMPRESSORS,
    END,
    GOOD,
    directory,
    hard_link,
    header,
    member,
    pax,
    snapshot,
    symlink,
)

SMALL = Limits(
    members=50, total=4 << 20, free=1 << 20, ratio=20, member_path=400, depth=10, document=4096
)
LONG = b"d/" * 11 + b"f"

# name: (archive, what the message must contain: the member's name, then the reason)
HOSTILE: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "absolute path": (member("/etc/cron.d/x", b"x") + END, ("/etc/cron.d/x", "absolute")),
    "two slashes": (member("//x", b"x") + END, ("//x", "absolute")),
    "parent path": (member("../x", b"x") + END, ("../x", "'..'")),
    "parent path inside": (member("a/../../x", b"x") + END, ("a/../../x", "'..'")),
    "harmless parent path": (member("a/../x", b"x") + END, ("a/../x", "'..'")),
    "dot dot directory": (directory("..") + END, ("..", "'..'")),
    "absolute link": (symlink("etc", "/etc") + END, ("etc", "/etc", "leaves")),
    "link to root": (symlink("r", "/") + END, ("r", "leaves")),
    "link out of pkgpanda's root": (
        symlink("x", "/opt/mesosphere/../../etc/passwd") + END,
        ("x", "leaves"),
    ),
    "link through pkgpanda's root and out": (
        symlink("a", "/opt/mesosphere/packages") + symlink("b", "a/../../../etc/passwd") + END,
        ("b", "leaves"),
    ),
    "parent link": (symlink("up", "..") + member("a", b"a") + END, ("up", "leaves")),
    "deep parent link": (symlink("a/b/up", "../../../x") + END, ("a/b/up", "leaves")),
    "link that others turn outwards": (
        directory("d1")
        + directory("d1/d2")
        + symlink("d1/d2/top", "../..")
        + symlink("d1/d2/out", "top/../etc")
        + END,
        ("d1/d2/out", "leaves"),
    ),
    "the same in the other order": (
        symlink("d1/d2/out", "top/../etc") + symlink("d1/d2/top", "../..") + END,
        ("d1/d2/out", "leaves"),
    ),
    "link, then a write through it": (
        directory("real") + symlink("l", "real") + member("l/x", b"x") + END,
        ("l/x", "below 'l', which is a link"),
    ),
    "link over a directory in use": (
        member("d/x", b"x") + symlink("d", "/etc") + END,
        ("d", "twice"),
    ),
    "link, then a file in its place": (
        symlink("l", "x") + member("l", b"x") + END,
        ("l", "twice"),
    ),
    "links in a circle": (symlink("a", "b") + symlink("b", "a") + END, ("a", "too many links")),
    "file below a file": (member("f", b"f") + member("f/x", b"x") + END, ("f/x", "below 'f'")),
    "hard link outwards": (hard_link("p", "/etc/passwd") + END, ("p", "absolute")),
    "hard link upwards": (hard_link("p", "../../etc/passwd") + END, ("p", "'..'")),
    "hard link to a symbolic link": (
        symlink("s", "x") + hard_link("h", "s") + END,
        ("h", "not an earlier file"),
    ),
    "hard link to a later file": (
        hard_link("h", "f") + member("f", b"f") + END,
        ("h", "not an earlier file"),
    ),
    "hard link to a directory": (
        directory("d") + hard_link("h", "d") + END,
        ("h", "not an earlier file"),
    ),
    "hard link to itself": (hard_link("h", "h") + END, ("h", "not an earlier file")),
    "hard link with data": (
        member("f", b"f") + header("h", kind=b"1", link="f", size=5) + bytes(BLOCK) + END,
        ("h", "5 bytes of data"),
    ),
    "character device": (header("null", kind=b"3") + END, ("null", "character device")),
    "block device": (header("sda", kind=b"4") + END, ("sda", "block device")),
    "fifo": (header("pipe", kind=b"6") + END, ("pipe", "fifo")),
    "unknown type": (header("what", kind=b"Q") + END, ("what", "unknown type")),
    "setuid": (member("su", b"x", mode=0o4755) + END, ("su", "setuid")),
    "setgid": (member("sg", b"x", mode=0o2755) + END, ("sg", "setgid")),
    "setgid directory": (directory("sg", 0o2755) + END, ("sg", "setgid")),
    "sticky directory": (directory("tmp", 0o1777) + END, ("tmp", "sticky")),
    "capabilities": (
        pax({b"SCHILY.xattr.security.capability": b"\1\0\0\2"}) + member("ping", b"x") + END,
        ("ping", "capabilities"),
    ),
    "GNU sparse": (header("sp", kind=b"S", size=0) + END, ("sp", "sparse")),
    "PAX sparse": (
        pax({b"path": b"GNUSparseFile.0/f", b"GNU.sparse.major": b"1"}) + member("f", b"f") + END,
        ("sparse",),
    ),
    "PAX size smaller": (
        pax({b"size": b"1"}) + member("f", b"x" * 600) + END,
        ("f", "two sizes, 600 and 1"),
    ),
    "PAX size larger": (
        pax({b"size": b"1024"}) + member("f", b"x") + member("g", b"g") + END,
        ("f", "two sizes, 1 and 1024"),
    ),
    "PAX size over zero": (
        pax({b"size": b"512"}) + header("f") + header("g") + END,
        ("f", "two sizes"),
    ),
    "PAX size negative": (pax({b"size": b"-1"}) + member("f", b"x") + END, ("f", "size")),
    "PAX size with underscores": (pax({b"size": b"1_0"}) + member("f", b"x") + END, ("f", "size")),
    "PAX path outwards": (pax({b"path": b"../x"}) + member("f", b"x") + END, ("../x", "'..'")),
    "PAX link outwards": (
        pax({b"linkpath": b"/etc"}) + symlink("l", "inside") + END,
        ("l", "leaves"),
    ),
    "PAX path twice": (
        pax({b"path": b"a"}) + pax({b"path": b"b"}) + member("f", b"x") + END,
        ("two extended headers",),
    ),
    "PAX path with NUL": (pax({b"path": b"a\0b"}) + member("f", b"x") + END, ("NUL",)),
    "PAX garbage": (member("h", b"999 path=x\n", kind=b"x") + END, ("damaged extended header",)),
    "PAX length zero": (member("h", b"0 path=x\n", kind=b"x") + END, ("damaged extended header",)),
    "PAX without a member": (pax({b"path": b"a"}) + END, ("without its member",)),
    "PAX of megabytes": (header("h", kind=b"x", size=1 << 30) + END, ("1073741824 bytes",)),
    "global PAX path": (
        pax({b"path": b"a"}, b"g") + member("f", b"x") + END,
        ("global extended header",),
    ),
    "GNU long name outwards": (
        member("././@LongLink", b"../x\0", kind=b"L") + member("f", b"x") + END,
        ("../x", "'..'"),
    ),
    "GNU and PAX names": (
        pax({b"path": b"a"}) + member("././@LongLink", b"b\0", kind=b"L") + member("f") + END,
        ("two names",),
    ),
    "duplicate file": (member("a", b"1") + member("./a", b"2") + END, ("./a", "twice")),
    "duplicate directory": (directory("a") + directory("a/") + END, ("a/", "twice")),
    "directory over a file": (member("a", b"1") + directory("a") + END, ("a", "twice")),
    "file with a directory's name": (header("a/") + END, ("a/", "ends with '/'")),
    "directory with data": (
        header("a", kind=b"5", size=512) + member("evil", b"x") + END,
        ("a", "512 bytes of data"),
    ),
    "not UTF-8": (member(b"caf\xe9", b"x") + END, (r"caf\\xe9", "UTF-8")),
    "surrogate": (member(b"\xed\xa0\x80", b"x") + END, ("UTF-8",)),
    "newline": (member("a\nb", b"x") + END, (r"a\nb", "control character")),
    "escape sequence": (member("a\x1b[2Jb", b"x") + END, (r"a\x1b[2Jb", "control character")),
    "empty name": (header("", size=0, kind=b"0") + END, ("empty",)),
    "top is a file": (header(".") + END, (".", "top of the tree")),
    "too deep": (member(LONG, b"x") + END, ("10 directories",)),
    "path too long": (pax({b"path": b"d" * 401}) + member("f", b"x") + END, ("400 bytes",)),
    "component too long": (pax({b"path": b"d" * 256}) + member("f", b"x") + END, ("255 bytes",)),
    "target too long": (pax({b"linkpath": b"d" * 401}) + symlink("l", "x") + END, ("400 bytes",)),
    "too many members": (
        b"".join(header(f"f{n}") for n in range(51)) + END,
        ("f50", "more than 50 members"),
    ),
    "too many directories that paths imply": (
        b"".join(member(f"{n}/b/c/d/e/f", b"x") for n in range(10)) + END,
        ("8/b/c/d/e/f", "more than 50 files and directories"),
    ),
    "too many nested headers": (
        b"".join(pax({b"comment": b"x"}, b"g") for n in range(51)) + END,
        ("more than 50 members",),
    ),
    "a size without data": (header("big", size=3 << 20) + END, ("big", "cut short")),
    "a size beyond octal": (
        header("huge", size_field=b"\x80" + (8 << 30).to_bytes(11, "big")) + END,
        ("huge", "cut short"),
    ),
    "a negative size": (
        header("neg", size_field=b"\xff" * 12) + END,
        ("neg", "size is not a number"),
    ),
    "a size with letters": (
        header("let", size_field=b"0000000xyz1\0") + END,
        ("let", "size is not a number"),
    ),
    "a base-256 size of petabytes": (
        header("peta", size_field=b"\x80" + b"\x7f" * 11) + END,
        ("peta",),
    ),
    "wrong checksum": (
        member("a", b"1") + header("sum", checksum=b"000000\0 ") + END,
        ("sum", "checksum"),
    ),
    "manifest is nothing": (
        member("pkgmanifest.json", b"{}") + END,
        ("pkgmanifest.json", "'format' is missing"),
    ),
    "garbage after the end": (GOOD + b"x", ("after the end",)),
    "another archive after the end": (GOOD + GOOD, ("after the end",)),
    "a single zero block": (member("a", b"1") + bytes(BLOCK) + member("b") + END, ("zero block",)),
    "no end": (GOOD[: -2 * BLOCK], ("cut short",)),
    "half an end": (GOOD[:-BLOCK], ("cut short",)),
    "only an end": (END, ("contains no file",)),
    "only a top": (directory("./") + END, ("contains no file",)),
    "not an archive": (b"hello world, this is no archive at all\n" * 40, ("not a tar archive",)),
    "a short text": (b"hello", ("not a tar archive",)),
    "bzip2": (bz2.compress(GOOD), ("compressed with bzip2", "gzip, xz or zstd")),
    "zip": (b"PK\3\4" + bytes(2000), ("zip archive, not a tar archive",)),
    "a Debian package": (b"!<arch>\ndebian-binary   " + bytes(2000), ("ar archive",)),
    "nothing": (b"", ("the archive is",)),
    "pkginfo is no JSON": (member("pkginfo.json", b"{") + END, ("pkginfo.json",)),
    "pkginfo is a list": (member("pkginfo.json", b"[]") + END, ("pkginfo.json", "a list")),
    "pkginfo is huge": (member("pkginfo.json", b" " * 5000) + END, ("pkginfo.json", "4096")),
    "pkginfo is nested": (member("pkginfo.json", b"[" * 4000) + END, ("pkginfo.json",)),
}


def refusal(store: Store, archive: bytes, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        store.add(io.BytesIO(archive), package_id="x--1", **options)  # type: ignore[arg-type]
    assert caught.value.exit_code == 65
    return str(caught.value)


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("case", HOSTILE)
def test_refused(case: str, compression: str, tmp_path: Path) -> None:
    archive, words = HOSTILE[case]
    store = Store(str(tmp_path / "root"), limits=SMALL)
    store.add(io.BytesIO(GOOD), package_id="good--1")
    before = snapshot(tmp_path)
    message = refusal(store, COMPRESSORS[compression](archive))
    for word in words:
        assert word in message or word.encode().decode("unicode_escape") in message
    assert message.isprintable()
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_a_compression_bomb_is_refused(compression: str, tmp_path: Path) -> None:
    store = Store(str(tmp_path), limits=SMALL)
    bomb = COMPRESSORS[compression](member("zeros", bytes(3 << 20)) + END)
    message = refusal(store, bomb)
    assert "'zeros'" in message
    assert "compression bomb" in message


@pytest.mark.parametrize("compression", ["none", "gzip", "xz", "zstd"])
def test_an_archive_over_the_total_is_refused(compression: str, tmp_path: Path) -> None:
    import random

    noise = random.Random(1).randbytes(5 << 20)
    store = Store(str(tmp_path), limits=SMALL)
    message = refusal(store, COMPRESSORS[compression](member("noise", noise) + END))
    assert "'noise'" in message
    assert "more than 4194304 bytes" in message


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_a_bomb_in_the_padding_is_refused(compression: str, tmp_path: Path) -> None:
    bomb = COMPRESSORS[compression](GOOD + bytes(3 << 20))
    assert "compression bomb" in refusal(Store(str(tmp_path), limits=SMALL), bomb)


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_every_cut_of_a_compressed_archive_is_refused(compression: str, tmp_path: Path) -> None:
    whole = COMPRESSORS[compression](GOOD)
    store = Store(str(tmp_path))
    for length in range(len(whole)):
        assert refusal(store, whole[:length])
    assert store.add(io.BytesIO(whole), package_id="x--1").changed


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_garbage_after_compressed_data_is_refused(compression: str, tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    whole = COMPRESSORS[compression](GOOD)
    for garbage in (b"x", bytes(4) + b"x", b"garbage" * 100, GOOD):
        assert any(word in refusal(store, whole + garbage) for word in ("damaged", "cut short"))


def test_a_window_of_gigabytes_is_refused(tmp_path: Path) -> None:
    import lzma

    store = Store(str(tmp_path), limits=Limits(memory=1 << 20))
    message = refusal(store, lzma.compress(GOOD, preset=9))
    assert "memory to read" in message
    assert "smaller window" in message


def test_a_million_members_are_refused(tmp_path: Path) -> None:
    """The default limit, and quickly: the stream is made as it is read."""

    class Endless(io.RawIOBase):
        made = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            view = memoryview(buffer)  # type: ignore[arg-type]
            count = len(view) // BLOCK
            block = b"".join(
                header(f"l{n:07}", kind=b"2", link="x") for n in range(self.made, self.made + count)
            )
            self.made += count
            view[: len(block)] = block
            return len(block)

    with pytest.raises(DataError, match=r"'l0001000'.*more than 1000 members"):
        Store(str(tmp_path), limits=Limits(members=1000)).add(
            io.BufferedReader(Endless()), package_id="x--1"
        )
    assert Limits().members < 1_000_000


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_damaged_archive_is_taken_whole_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Bytes of good archives changed, dropped, doubled: no traceback, nothing half."""
    top = tmp_path_factory.mktemp("damaged")
    archive = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(archive) - 1))
        what = data.draw(st.sampled_from(["change", "drop", "double"]))
        if what == "change":
            archive[at] = data.draw(st.integers(0, 255))
        elif what == "drop":
            del archive[at : at + data.draw(st.sampled_from([1, 512, 1024]))]
        else:
            block = at - at % BLOCK
            archive[block:block] = archive[block : block + BLOCK]
        if not archive:
            return
    store = Store(str(top / "root"))
    try:
        store.add(io.BytesIO(bytes(archive)), package_id="x--1")
    except DataError:
        assert not list((top / "root/packages").iterdir())
    else:
        assert store.verify()[0].differences == []
    assert not list((top / "root/staging").iterdir())
    assert sorted(path.name for path in top.iterdir()) == ["root"]


NAMES = st.text(st.sampled_from("ab./\\-é\n\0"), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from(["file", "directory", "symlink", "hard link"]), NAMES, NAMES),
        min_size=1,
        max_size=6,
    )
)
def test_no_sequence_of_members_gets_out(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, str, str]]
) -> None:
    top = tmp_path_factory.mktemp("members")
    (top / "outside").write_text("untouched")
    store = Store(str(top / "a" / "b" / "root"))
    makers = {"symlink": symlink, "hard link": hard_link}
    archive = b""
    for kind, name, other in members:
        if kind in makers:
            archive += makers[kind](name, other)
        else:
            archive += member(name, b"x") if kind == "file" else directory(name)
    try:
        store.add(io.BytesIO(archive + END), package_id="x--1")
    except DataError:
        pass
    else:
        tree = (top / "a/b/root/packages/x--1").resolve()
        assert store.verify()[0].differences == []
        for path in tree.rglob("*"):
            assert path.resolve().is_relative_to(tree)
    assert sorted(path.name for path in top.iterdir()) == ["a", "outside"]
    assert (top / "outside").read_text() == "untouched"


@pytest.mark.parametrize("layout", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_what_other_writers_make_is_taken(layout: int, tmp_path: Path) -> None:
    """Long names and targets, prefixes, large numbers: as another implementation writes them."""
    made = io.BytesIO()
    parts = "/".join(["directory-with-a-long-name"] * 6)
    with tarfile.open(fileobj=made, mode="w", format=layout) as archive:
        for name in (
            "short",
            f"{parts}/file",
            "ünïcode" if layout != tarfile.USTAR_FORMAT else "u",
        ):
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.uid, info.mtime = 4, 0o640, 1 << 20, 1_700_000_000
            info.uname = "somebody"
            archive.addfile(info, io.BytesIO(b"data"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, f"{parts}/file"
        if layout != tarfile.USTAR_FORMAT:
            archive.addfile(link)
    store = Store(str(tmp_path))
    added = store.add(io.BytesIO(made.getvalue()), package_id="x--1")
    assert added.files == 3
    assert (tmp_path / "packages/x--1" / parts / "file").read_bytes() == b"data"
    assert store.verify()[0].differences == []
