"""Content that is something else altogether, told by its first bytes: for messages that help.

Other archive formats are made by the wrong tool; pages and forms are what a login page, a proxy or
a wrong option of an upload puts in the place of a file.
"""

from __future__ import annotations

HEAD_BYTES = 512  # as many of the first bytes as are looked at

_FORMATS = (
    (b"BZh", "it is compressed with bzip2; gzip, xz or zstd can be read"),
    (b"\x5d\0\0", "it is compressed with lzma; gzip, xz or zstd can be read"),
    (b"\x04\x22\x4d\x18", "it is compressed with lz4; gzip, xz or zstd can be read"),
    (b"\x1f\x9d", "it is compressed with compress (.Z); gzip, xz or zstd can be read"),
    (b"LZIP", "it is compressed with lzip; gzip, xz or zstd can be read"),
    (b"PK\3\4", "it is a zip archive, not a tar archive"),
    (b"7z\xbc\xaf\x27\x1c", "it is a 7z archive, not a tar archive"),
    (b"!<arch>\n", "it is an ar archive (as .deb files are), not a tar archive"),
    (b"\xed\xab\xee\xdb", "it is an RPM package, not a tar archive"),
    (b"\x7fELF", "it is a program, not an archive"),
    (b"#!", "it is a script, not an archive"),
    (b"version https://git-lfs", "it is a pointer of Git LFS, and not the file itself"),
    (b"-----BEGIN PGP", "it is a signature or a message of PGP"),
)
_COMPRESSED = (
    (b"\x1f\x8b", "it is compressed with gzip"),
    (b"\xfd7zXZ\x00", "it is compressed with xz"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with zstd"),
)
_PAGE = "it is an HTML page, as a login page, a proxy's or a server's error is"
_FORM = (
    "it is a form (multipart/form-data): send the file as the body itself, "
    "as curl --data-binary @FILE does, and not -F"
)


def described(head: bytes) -> str | None:
    """What begins with `head`, in words, if it is known and nothing that is asked for; else None.

    JSON is among what is asked for.
    """
    for magic, words in _FORMATS:
        if head.startswith(magic):
            return words
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:HEAD_BYTES].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<!--", b"<script")):
        return _PAGE
    if start.startswith((b"<?xml", b"<error")):
        return _PAGE if b"<html" in start else "it is XML, as an object store's error is"
    if start.startswith(b"--") and b"content-disposition: form-data" in start:
        return _FORM
    return None


def compressed(head: bytes) -> str | None:
    """The words for a compression that can be read, where there should be none; else None."""
    return next((words for magic, words in _COMPRESSED if head.startswith(magic)), None)


def is_text(head: bytes) -> bool:
    """Whether all of `head` is text; no tar header is, since its fields end with NULs."""
    return bool(head) and not any(byte < 32 and byte not in b"\t\n\f\r" for byte in head)
