"""The tar format, read strictly: header blocks in, members out. No file system here.

Read: ustar and PAX (POSIX.1-2017, pax, "ustar Interchange Format", "pax Extended Header"), GNU's
long names and base-256 numbers. Refused: what two readers could understand differently, and what
a package has no use for. tarfile is not used, because it decides such things by itself (it takes
a cut archive for a whole one, and reads over damaged headers), and because it takes five times as
long for a member as making its file.
"""

from __future__ import annotations

from packager.archive.foreign_formats import compressed, described, is_text
from packager.package.entry_kinds import DIRECTORY, FILE, LINK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from packager.archive.limits import Limits

BLOCK_BYTES = 512
END = bytes(BLOCK_BYTES)
MAX_OCTAL_SIZE = 8 << 30  # the octal size field ends here; above it a PAX record may stand alone

MAX_TIME_DIGITS = 10  # of seconds since 1970, up to the year 2286

HARD_LINK = "hardlink"  # in archives only: a tree has files that are the same
KINDS = {b"0": FILE, b"\0": FILE, b"5": DIRECTORY, b"2": LINK, b"1": HARD_LINK}
REFUSED_KINDS = {
    b"3": "is a character device",
    b"4": "is a block device",
    b"6": "is a fifo",
    b"7": "is a contiguous file",
    b"S": "is a sparse file",
    b"D": "is a directory dump",
    b"M": "continues another volume",
    b"N": "has an old GNU long name",
    b"V": "is a volume label",
}
SPECIAL_BITS = ((0o4000, "setuid"), (0o2000, "setgid"), (0o1000, "sticky"))


class Refused(Exception):
    """The archive is not taken; the message is the reason, without the member's name."""


class Member:
    """One member, as the archive says; `name` and `target` are raw bytes."""

    __slots__ = ("kind", "mode", "mtime", "name", "size", "target")

    def __init__(
        self, name: bytes, kind: str, mode: int, size: int, target: bytes, mtime: int
    ) -> None:
        self.name = name
        self.kind = kind
        self.mode = mode  # permission bits only
        self.size = size  # bytes of data that follow, 0 for all but files
        self.target = target  # of links
        self.mtime = mtime  # seconds since 1970; 0 if the archive does not say it


class TarReader:
    """Members of a tar stream, each with its data, in order.

    `read` gives the next bytes of the stream, any number of them, b"" at its end. `current` is
    the raw name of the member being read, for the message of whatever is raised meanwhile.
    """

    def __init__(self, read: Callable[[], bytes], limits: Limits) -> None:
        self._read = read
        self._limits = limits
        self._buffer = b""
        self._at = 0  # of the first byte in _buffer that has not been taken
        self._data_left = 0  # of the current member, padding excluded
        self._padding = 0
        self.current: bytes | None = None

    def members(self) -> Iterator[Member]:
        """Every member up to the end of the archive, which must be the end of the stream.

        The caller reads a member's data with `data` or `whole` before it asks for the next one;
        what it leaves is skipped. Raises Refused.
        """
        count = 0
        long_name: bytes | None = None
        long_target: bytes | None = None
        records: dict[bytes, bytes] = {}
        self._check_start()
        while True:
            self._skip()
            block = self._take(BLOCK_BYTES)
            if block == END:
                if long_name is not None or long_target is not None or records:
                    raise Refused("the archive ends after an extended header without its member")
                self.current = None
                self._check_end()
                return
            count += 1
            if count > self._limits.members:
                self.current = decode_name(block)
                raise Refused(f"the archive has more than {self._limits.members} members")
            kind = block[156:157]
            if kind in b"xgLK" and kind:
                self.current = self.current or decode_name(block)
                document = self._document(block)
                if kind == b"x":
                    if records:
                        raise Refused("two extended headers for one member")
                    records = parse_records(document)
                    self.current = records.get(b"path", self.current)
                elif kind == b"g":
                    check_global_records(parse_records(document))
                elif kind == b"L":
                    if long_name is not None:
                        raise Refused("two long names for one member")
                    self.current = long_name = document.rstrip(b"\0")
                else:
                    if long_target is not None:
                        raise Refused("two long link targets for one member")
                    long_target = document.rstrip(b"\0")
                continue
            self.current = one_of("name", records.get(b"path"), long_name) or decode_name(block)
            check_records(records)
            target = one_of("link target", records.get(b"linkpath"), long_target)
            member = decode_member(block, self.current, target, records)
            self._data_left = member.size
            self._padding = -member.size % BLOCK_BYTES
            yield member
            long_name = long_target = None
            records = {}

    def data(self, at_most: int = 1 << 20) -> bytes:
        """The next bytes of the current member's data, b"" at its end."""
        if not self._data_left:
            return b""
        if self._at >= len(self._buffer):
            self._fill()
        piece = self._buffer[self._at : self._at + min(at_most, self._data_left)]
        self._at += len(piece)
        self._data_left -= len(piece)
        return piece

    def whole(self) -> bytes:
        """All of the current member's data; for members known to be small."""
        piece = self._take(self._data_left)
        self._data_left = 0
        return piece

    def _skip(self) -> None:
        while self._data_left:
            self.data()
        if self._padding:
            # What is in the padding nobody reads; it may be anything.
            self._take(self._padding)
            self._padding = 0

    def _document(self, block: bytes) -> bytes:
        check_sum(block)
        size = number(block[124:136], "size")
        if size > self._limits.document:
            raise Refused(f"an extended header of {size} bytes, {self._limits.document} allowed")
        document = self._take(size)
        self._take(-size % BLOCK_BYTES)
        return document

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end <= len(self._buffer):
            piece = self._buffer[self._at : end]
            self._at = end
            return piece
        pieces = [self._buffer[self._at :]]
        missing = size - len(pieces[0])
        while missing > 0:
            self._fill()
            pieces.append(self._buffer[:missing])
            self._at = len(pieces[-1])
            missing -= self._at
        return b"".join(pieces)

    def _fill(self) -> None:
        self._buffer = self._read()
        self._at = 0
        if not self._buffer:
            raise Refused("the archive is cut short")

    def _check_start(self) -> None:
        """Say of something else entirely what it is, not what is wrong with it as a header."""
        while len(self._buffer) < BLOCK_BYTES and (piece := self._read()):
            self._buffer += piece
        block = self._buffer[:BLOCK_BYTES]
        if block == END:
            return
        try:
            check_sum(block.ljust(BLOCK_BYTES, b"\0"))
        except Refused as reason:
            what = described(block)
            if what is not None:
                raise Refused(what) from None
            what = compressed(block)
            if what is not None:  # a single one has been undone by now
                raise Refused(f"{what} once more: compress it once") from None
            if is_text(block):
                raise Refused("it is text, not a tar archive") from None
            raise Refused(f"this is not a tar archive: {reason}") from None

    def _check_end(self) -> None:
        """After one zero block: another one, and zeros to the end of the stream."""
        if self._take(BLOCK_BYTES) != END:
            raise Refused("a single zero block inside the archive")
        rest = self._buffer[self._at :]
        while True:
            if rest.count(0) != len(rest):
                raise Refused("there is more after the end of the archive")
            rest = self._read()
            if not rest:
                return


def one_of(what: str, first: bytes | None, second: bytes | None) -> bytes | None:
    """The one that is given; a member with both kinds of extension means two things at once."""
    if first is not None and second is not None and first != second:
        raise Refused(f"the member has two {what}s")
    return second if first is None else first


def decode_name(block: bytes) -> bytes:
    """The member's name in the header block itself, ustar's prefix included."""
    name = block[:100].partition(b"\0")[0]
    if block[257:265] == b"ustar\x0000" and block[345]:
        return block[345:500].partition(b"\0")[0] + b"/" + name
    return name


def decode_member(
    block: bytes, name: bytes, target: bytes | None, records: dict[bytes, bytes]
) -> Member:
    """The member that the header `block` and its extensions describe. Raises Refused."""
    check_sum(block)
    flag = block[156:157]
    kind = KINDS.get(flag)
    if kind is None:
        reason = REFUSED_KINDS.get(flag, f"has the unknown type {flag!r}")
        raise Refused(f"the member {reason}; only files, directories and links are taken")
    mode = number(block[100:108], "mode")
    for bit, word in SPECIAL_BITS:
        if mode & bit and kind in (FILE, DIRECTORY):
            raise Refused(f"the member is {word} (mode {mode & 0o7777:04o})")
    size = number(block[124:136], "size")
    pax_size = records.get(b"size")
    if pax_size is not None:
        claimed = decimal(pax_size)
        if claimed != size and not (size == 0 and claimed >= MAX_OCTAL_SIZE):
            raise Refused(f"the member has two sizes, {size} and {claimed}")
        size = claimed
    if flag == b"\0" and name.endswith(b"/"):
        kind = DIRECTORY  # as the tar of Version 7, which had no type for directories, wrote them
    if kind == FILE and name.endswith(b"/"):
        raise Refused("the member is a file, but its name ends with '/'")
    if kind != FILE and size:
        raise Refused(f"the member is a {kind}, but has {size} bytes of data")
    if target is None:
        target = block[157:257].partition(b"\0")[0]
    mtime = modification_time(block[136:148], records.get(b"mtime"))
    return Member(name, kind, mode & 0o777, size, target, mtime)


def modification_time(field: bytes, pax_time: bytes | None) -> int:
    """The time in a header or in its PAX record, in whole seconds since 1970; 0 for one that is not
    of this kind. Nothing depends on it, so a wrong one is no reason to refuse a package."""
    if pax_time is not None:
        seconds = pax_time.partition(b".")[0]
        return int(seconds) if seconds.isdigit() and len(seconds) <= MAX_TIME_DIGITS else 0
    try:
        found = number(field, "time")
    except Refused:
        return 0
    return found if found < 10**MAX_TIME_DIGITS else 0


def check_sum(block: bytes) -> None:
    """The header's checksum: the sum of its bytes, with spaces in the checksum's own place."""
    found = number(block[148:156], "checksum")
    if found != sum(block) - sum(block[148:156]) + 8 * 32:
        raise Refused("the header is damaged (its checksum is wrong)")


def number(field: bytes, what: str) -> int:
    """A number field: octal digits ended by NUL or space, or GNU's base-256. Never negative."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.partition(b"\0")[0].strip(b" ")
    if digits.strip(b"01234567"):
        raise Refused(f"the header's {what} is not a number")
    return int(digits or b"0", 8)


def decimal(text: bytes) -> int:
    """A decimal number of a PAX record; int() alone would take signs, spaces and underscores."""
    if not text or len(text) > 20 or text.strip(b"0123456789"):
        raise Refused(f"an extended header with the size {text[:40]!r}")
    return int(text)


def parse_records(document: bytes) -> dict[bytes, bytes]:
    """The records `length key=value newline` of a PAX extended header. Raises Refused."""
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(document):
        space = document.find(b" ", at, at + 20)
        length = document[at:space] if space > 0 else b""
        if not length or length.strip(b"0123456789"):
            raise Refused("a damaged extended header")
        end = at + int(length)
        key, equals, value = document[space + 1 : end - 1].partition(b"=")
        if end <= space or end > len(document) or document[end - 1] != 10 or not equals or not key:
            raise Refused("a damaged extended header")
        if key in records:
            raise Refused(f"an extended header with two records {key[:80]!r}")
        records[key] = value
        at = end
    return records


def check_records(records: dict[bytes, bytes]) -> None:
    """Refuse the records that change what a member is in a way nobody here carries out."""
    for key in records:
        if key.startswith((b"GNU.sparse.", b"SCHILY.realsize")):
            raise Refused("the member is a sparse file")
        if key.endswith(b"security.capability"):
            raise Refused("the member carries file capabilities")
    for key in (b"path", b"linkpath"):
        if records.get(key) == b"" or b"\0" in records.get(key, b""):
            raise Refused(f"an extended header with an empty {key.decode()}, or a NUL in it")


def check_global_records(records: dict[bytes, bytes]) -> None:
    """Global records may comment on the archive (git does), not rename or resize its members."""
    check_records(records)
    for key in (b"path", b"linkpath", b"size"):
        if key in records:
            raise Refused(f"a global extended header that sets the {key.decode()} of all members")
