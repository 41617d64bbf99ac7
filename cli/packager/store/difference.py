"""What is not as it was made, one thing at a time: of a package's tree, or of a tree of links."""

from __future__ import annotations

import os

CHANGED = "changed"
MISSING = "missing"
FOREIGN = "foreign"
UNREAD = "unread"  # it could not be looked at, for want of permission: it may be as it was
BYTES_IT_HAD = "bytes, it had"


class Difference:
    """One thing that is not as it was made. `path` is "" for the record and the tree's top; `kind`
    is one of the words above."""

    __slots__ = ("kind", "path", "reason")

    def __init__(self, path: str, reason: str, kind: str = CHANGED) -> None:
        self.path = path
        self.reason = reason
        self.kind = kind

    def without_sizes(self) -> Difference:
        """The same, without telling how long a file is or was: that tells of a secret in it."""
        if BYTES_IT_HAD not in self.reason:
            return self
        return Difference(self.path, "another size than it had", self.kind)


def unreadable_path(path: str, error: OSError) -> Difference:
    """What is to be said of a path that could not be read."""
    shown = os.fsencode(path).decode(errors="backslashreplace")
    reason = f"it can't be read: {os.strerror(error.errno or 0).lower()}"
    return Difference(shown, reason, UNREAD if isinstance(error, PermissionError) else CHANGED)
