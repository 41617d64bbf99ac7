"""Compressed archives as tools write them: many streams, frames to be skipped, padding; and bounds
on all of it."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packager.archive.archive_reader import ArchiveReader
from packager.archive.compression import compressor
from packager.archive.limits import Limits
from packager.archive.tar_reader import Refused
from packager.base.errors import DataError
from packager.store.store import Store

from tests.support.tar_archives import END, member


def zstd(data: bytes) -> bytes:
    made = compressor("zstd")
    assert made is not None
    return made.compress(data) + made.flush()


def skippable(content: bytes = b"", kind: int = 0) -> bytes:
    """A frame to be skipped (RFC 8878, 3.1.2)."""
    return struct.pack("<II", 0x184D2A50 + kind, len(content)) + content


def pzstd(data: bytes, size: int) -> bytes:
    """As pzstd has it: before each frame one to be skipped, with the frame's length in it."""
    frames = [zstd(data[at : at + size]) for at in range(0, len(data), size)]
    return b"".join(skippable(struct.pack("<I", len(each))) + each for each in frames)


def unpacked(archive: bytes, **limits: int) -> bytes:
    reader = ArchiveReader(io.BytesIO(archive), Limits(**limits))
    pieces = list(iter(reader.read, b""))
    assert reader.archive_size == len(archive)
    return b"".join(pieces)


TAR = member("bin/data", bytes(range(256)) * 2000) + END
HALVES = TAR[:200_000], TAR[200_000:]

WHOLE = {
    "pzstd": pzstd(TAR, 100_000),
    "zstd with a note at its end": zstd(TAR) + skippable(b"seek table", 15),
    "zstd in two": b"".join(map(zstd, HALVES)),
    "xz with padding": lzma.compress(TAR) + bytes(8),
    "xz in two, with padding": bytes(4).join(map(lzma.compress, HALVES)) + bytes(4),
    "gzip with zeros": gzip.compress(TAR) + bytes(1000),
    "gzip in two, with zeros": bytes(3).join(map(gzip.compress, HALVES)),
    "a stream a kilobyte": b"".join(
        gzip.compress(TAR[at : at + 1024]) for at in range(0, len(TAR), 1024)
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_tools_write_is_read(tmp_path: Path, name: str) -> None:
    added = Store(str(tmp_path / "root")).add(io.BytesIO(WHOLE[name]), package_id="a--1")
    assert added.files == 1
    assert unpacked(WHOLE[name]) == TAR


@pytest.mark.parametrize(
    "archive",
    [
        lzma.compress(TAR) + bytes(5),
        lzma.compress(TAR) + bytes(4) + b"x",
        bytes(2).join(map(lzma.compress, HALVES)),
        zstd(TAR) + bytes(4),
        zstd(TAR) + skippable(b"whole")[:-1],
        gzip.compress(TAR, mtime=0) + bytes(4) + b"x",
    ],
)
def test_what_follows_otherwise_is_damage(archive: bytes) -> None:
    with pytest.raises(Refused, match=r"damaged|cut short"):
        unpacked(archive)


EMPTY = {
    "frames to be skipped": skippable(),
    "zstd": zstd(b""),
    "gzip": gzip.compress(b""),
    "xz": lzma.compress(b""),
    "xz with padding": lzma.compress(b"") + bytes(4),
    "gzip of one byte": gzip.compress(b"x"),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_streams_with_nothing_in_them_come_to_an_end(kind: str) -> None:
    with pytest.raises(Refused, match="too many streams, almost all empty"):
        unpacked(EMPTY[kind] * 1200, streams=1000)
    unpacked(EMPTY[kind] * 900, streams=1000)


def test_a_short_stream_costs_no_more_than_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries copy what a stream leaves over: never more than the first bytes it is given."""
    from packager.archive import decompression_thread

    given: list[int] = []
    step = decompression_thread._Worker._step

    def count(self: object, decompressor: object, piece: bytes) -> bytes:
        given.append(len(piece))
        return step(self, decompressor, piece)  # type: ignore[arg-type]

    monkeypatch.setattr(decompression_thread._Worker, "_step", count)
    unpacked(skippable() * 20_000)
    assert sum(given[1:]) < 2 * 20_000 * decompression_thread.FIRST_BYTES
    assert max(given[1:]) <= decompression_thread.FIRST_BYTES


def fastest_xz(data: bytes) -> bytes:
    return lzma.compress(data, preset=0)


WAYS = ((gzip.compress, bytes(3)), (fastest_xz, bytes(4)), (zstd, skippable()))


def test_a_window_that_is_too_large_is_said_to_be_that() -> None:
    frame = b"\x28\xb5\x2f\xfd" + b"\x00\x98" + b"\x09\0\0" + b"x"  # 512 MiB; one raw block
    for archive, limits in ((frame, {}), (lzma.compress(TAR), {"memory": 1 << 20})):
        with pytest.raises(Refused, match="MiB of memory to read: compress it with a smaller"):
            unpacked(archive, **limits)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 20_000), max_size=6).map(sorted), st.sampled_from(WAYS))
def test_streams_may_be_cut_anywhere(
    cuts: list[int], way: tuple[Callable[[bytes], bytes], bytes]
) -> None:
    pack, fill = way
    pieces = [TAR[a:b] for a, b in zip([0, *cuts], [*cuts, 20_000], strict=True)]
    assert unpacked(fill.join(map(pack, pieces))) == TAR[:20_000]


FORM = b"------------------------1234\r\nContent-Disposition: form-data; name=file\r\n\r\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<!DOCTYPE html>\n<html><body>Please log in" + bytes(600), "it is an HTML page"),
        (b"\xef\xbb\xbf\r\n<HTML>", "it is an HTML page"),
        (b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", "it is XML"),
        (
            b"--------------------------1234\r\nContent-Disposition: form-data; name=f\r\n\r\n"
            + TAR,
            "it is a form.*--data-binary",
        ),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS"),
        (b'{"error": "not found"}', "it is text, not a tar archive"),
        (b"Not Found\n", "it is text, not a tar archive"),
        (b"\x7fELF" + bytes(600), "it is a program"),
        (b"\xed\xab\xee\xdb" + bytes(600), "RPM"),
        (b"LZIP\1" + bytes(600), "lzip"),
        (gzip.compress(b"<html>", mtime=0), "it is an HTML page"),
        (gzip.compress(gzip.compress(TAR, mtime=0), mtime=0), "compressed with gzip once more"),
        (gzip.compress(zstd(TAR), mtime=0), "compressed with zstd once more"),
    ],
)
def test_what_is_no_archive_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        Store(str(tmp_path / "root")).add(io.BytesIO(content), package_id="a--1")
