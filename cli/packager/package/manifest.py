"""What a package's tree is, entry by entry, and the two places where that is written down.

*The record*, ROOT/manifests/<id>, is what the store knows of an installed package. Three lines:
a JSON object (id, archive, totals, tree hash, pkginfo), the JSON array of entries, and a JSON
object with the SHA-256 of the two lines before. Whoever wants the first needs not parse the
second. It lies beside the tree, not in it, so a tree is exactly what its archive says, and
pkgpanda's trees stay as they are.

*The embedded manifest*, `pkgmanifest.json` at the top of the archives that `build` makes, is a JSON
object with `format`, `id`, `tree` and `entries` (of everything but itself). `add` checks it.

An entry: `path`, `type` (file, directory, link), for files and directories `mode`, for files
`size` and `sha256`, for links `target`. Entries are sorted by path. The tree hash is the SHA-256
of the compact JSON array of entries, so it is the same however the tree was packed.
"""

from __future__ import annotations

import hashlib
import json

from packager.base.errors import DataError
from packager.package.entry_kinds import DIRECTORY, FILE, LINK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = 1
EMBEDDED = "pkgmanifest.json"
PKGINFO = "pkginfo.json"
DEFAULT_DIRECTORY_MODE = 0o755


class Entry:
    """One path of a tree. `mode` is 0 for links, `size` and `sha256` are of files."""

    __slots__ = ("kind", "mode", "path", "sha256", "size", "target")

    def __init__(
        self,
        path: str,
        kind: str,
        *,
        mode: int = 0,
        size: int = 0,
        sha256: str = "",
        target: str = "",
    ) -> None:
        self.path = path
        self.kind = kind
        self.mode = mode
        self.size = size
        self.sha256 = sha256
        self.target = target

    def document(self) -> dict[str, object]:
        """The entry as JSON has it, keys always in this order."""
        if self.kind == FILE:
            return {
                "path": self.path,
                "type": FILE,
                "mode": f"{self.mode:04o}",
                "size": self.size,
                "sha256": self.sha256,
            }
        if self.kind == DIRECTORY:
            return {"path": self.path, "type": DIRECTORY, "mode": f"{self.mode:04o}"}
        return {"path": self.path, "type": LINK, "target": self.target}


def stored_mode(kind: str, mode: int) -> int:
    """The mode that a member gets in the store: nobody but the owner may write, the owner may
    read and write (and enter a directory); what else the archive grants or withholds stays."""
    return (mode & 0o755) | (0o700 if kind == DIRECTORY else 0o600)


class Manifest:
    """A tree's entries, sorted, and what follows from them alone."""

    __slots__ = ("entries", "files", "size", "text", "tree")

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = sorted(entries, key=lambda entry: entry.path)
        self.text = compact([entry.document() for entry in self.entries])
        self.tree = hashlib.sha256(self.text).hexdigest()
        self.files = sum(entry.kind == FILE for entry in self.entries)
        self.size = sum(entry.size for entry in self.entries)


class Record:
    """What the store knows of one installed package."""

    __slots__ = (
        *("archive_sha256", "archive_size", "files", "generation"),
        *("id", "pkginfo", "size", "tree"),
    )

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the field's name in the record
        archive_sha256: str,
        archive_size: int,
        tree: str,
        files: int,
        size: int,
        pkginfo: dict[str, object] | None,
        generation: int | None = None,
    ) -> None:
        self.id = id
        self.archive_sha256 = archive_sha256
        self.archive_size = archive_size  # bytes
        self.tree = tree  # hex SHA-256
        self.files = files  # regular files
        self.size = size  # bytes of all regular files
        self.pkginfo = pkginfo  # None: the package has no pkginfo.json
        # The newest generation when it was added, 0 if there was none, None if that is not known.
        self.generation = generation

    def encode(self, manifest: Manifest) -> bytes:
        """The bytes of ROOT/manifests/<id>."""
        head = compact(
            {
                "format": FORMAT,
                "id": self.id,
                "archive": {"sha256": self.archive_sha256, "size": self.archive_size},
                "tree": self.tree,
                "files": self.files,
                "size": self.size,
                "pkginfo": self.pkginfo,
                "generation": self.generation,
            }
        )
        body = head + b"\n" + manifest.text + b"\n"
        return body + compact({"sha256": hashlib.sha256(body).hexdigest()}) + b"\n"


def decode_record(content: bytes, place: str) -> tuple[Record, bytes]:
    """The record in `content`, the bytes of the file at `place`, and its line of entries.

    Raises DataError if it has been changed in any way.
    """
    lines = content.split(b"\n")
    body = content[: content.rfind(b"\n", 0, -1) + 1]
    end = compact({"sha256": hashlib.sha256(body).hexdigest()})
    if len(lines) != 4 or lines[3] or lines[2] != end:
        raise DataError(
            f"{place}: the record of the package has been changed or cut; 'packager repair' gives "
            "it a new one"
        )
    try:
        head = json.loads(lines[0])
        if head["format"] != FORMAT:
            raise DataError(f"{place}: a record of format {head['format']!r}, {FORMAT} is known")
        archive = head["archive"]
        record = Record(
            id=head["id"],
            archive_sha256=archive["sha256"],
            archive_size=archive["size"],
            tree=head["tree"],
            files=head["files"],
            size=head["size"],
            pkginfo=head["pkginfo"],
            generation=head.get("generation"),  # older versions did not write it
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{place}: not a record of a package: {_words(error)}") from error
    return record, lines[1]


def decode_entries(text: bytes, place: str) -> list[Entry]:
    """The entries written as the JSON array `text`. Raises DataError naming `place`."""
    try:
        return [_entry(item) for item in json.loads(text)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{place}: not a manifest: {_words(error)}") from error


def _entry(item: dict[str, object]) -> Entry:
    path, kind = item["path"], item["type"]
    if not isinstance(path, str) or kind not in (FILE, DIRECTORY, LINK):
        raise ValueError("an entry without path or type")
    entry = Entry(path, str(kind))
    if kind == LINK:
        entry.target = str(item["target"])
        return entry
    entry.mode = int(str(item["mode"]), 8)
    if kind == FILE:
        size = item["size"]
        if type(size) is not int:
            raise ValueError("a size that is not an integer")
        entry.size = size
        entry.sha256 = str(item["sha256"])
    return entry


def encode_embedded(package_id: str, manifest: Manifest) -> bytes:
    """The contents of the archive's own pkgmanifest.json."""
    head = compact({"format": FORMAT, "id": package_id, "tree": manifest.tree})
    return head[:-1] + b',"entries":' + manifest.text + b"}\n"


def decode_embedded(content: bytes) -> tuple[str, list[Entry]]:
    """The id and the entries that the archive's own manifest names. Raises DataError."""
    try:
        document = json.loads(content)
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}, {FORMAT} is known")
        package_id = document["id"]
        if not isinstance(package_id, str):
            raise ValueError("its id is not a string")
        return package_id, [_entry(item) for item in document["entries"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{EMBEDDED}: not a manifest: {_words(error)}") from error


def check_embedded(content: bytes, entries: Iterable[Entry]) -> str:
    """Compare the archive's own manifest with the entries it really had; the id it names.

    Raises DataError that says what differs.
    """
    package_id, listed = decode_embedded(content)
    found = {entry.path: entry.document() for entry in entries if entry.path != EMBEDDED}
    for entry in listed:
        if found.pop(entry.path, None) != entry.document():
            raise DataError(f"{entry.path!r} is not as the archive's {EMBEDDED} says")
    for path in found:
        raise DataError(f"{path!r} is not in the archive's {EMBEDDED}")
    return package_id


def _words(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def compact(document: object) -> bytes:
    """JSON without spaces, as UTF-8."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
