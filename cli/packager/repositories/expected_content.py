"""What a download must turn out to be: so long, of this hash, and no longer than is allowed."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import BinaryIO

from packager.archive.foreign_formats import HEAD_BYTES, described
from packager.base.errors import DataError

_CUT = "; {} bytes came, and the server has not said how many there are: it may be cut short"


@dataclass(frozen=True)
class Expected:
    """What is known beforehand. shown: where it comes from, for messages; what: such as "archive";
    sha256 (hex) and size (bytes): None if nobody has said them; max_size: bytes."""

    shown: str
    what: str
    sha256: str | None
    size: int | None
    max_size: int

    @property
    def bound(self) -> bool:
        """Whether size and hash are known, so that any server's bytes are as good as another's."""
        return None not in (self.sha256, self.size)

    def announced(self, total: int | None) -> None:
        """Judge the size that a server announces. Raises DataError."""
        if None not in (total, self.size) and total != self.size:
            raise DataError(
                f"{self.shown}: the {self.what} has {total} bytes, expected {self.size}"
            )
        self.limit(total)

    def limit(self, received: int | None) -> None:
        """Refuse more bytes than were promised, or than are allowed. Raises DataError."""
        if received is None:
            return
        if self.size is not None and received > self.size:
            raise DataError(
                f"{self.shown}: the {self.what} has {received} bytes or more, "
                f"{self.size} were promised"
            )
        if received > self.max_size:
            raise DataError(
                f"{self.shown}: the {self.what} is larger than {self.max_size} bytes"
                + ("; raise --max-size if that is right" if self.what == "archive" else "")
            )

    def check(self, file: BinaryIO, *, announced: bool = True) -> None:
        """Compare the whole `file`, open for reading, with what is known. Raises DataError.

        announced: whether it was said how long it is, so that it can't be cut short.
        """
        length = file.seek(0, os.SEEK_END)
        if self.size is not None and length != self.size:
            raise DataError(
                f"{self.shown}: the {self.what} has {length} bytes, expected {self.size}"
                + _hint(file)
            )
        if self.sha256 is not None:
            file.seek(0)
            found = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
            if found != self.sha256:
                raise DataError(
                    f"{self.shown}: the {self.what}'s SHA-256 is {found}, expected {self.sha256}"
                    + (_hint(file) or ("" if announced else _CUT.format(length)))
                )


def _hint(file: BinaryIO) -> str:
    file.seek(0)
    words = described(file.read(HEAD_BYTES))
    return "" if words is None else f"; {words}"
