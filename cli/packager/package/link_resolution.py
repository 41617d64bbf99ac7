"""Where a link of a package leads, as the kernel follows links (path_resolution(7)), told from the
package's entries alone: nothing is opened."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAX_FOLLOWED_LINKS = 40  # the kernel's own limit


class LeavesPackage(Exception):
    """The way goes above the package's top."""


class TooManyLinks(Exception):
    """More than MAX_FOLLOWED_LINKS links are on the way: there may be a circle."""


class AbsoluteTarget(Exception):
    """A link on the way has an absolute target; `rest` is what of the way comes after it."""

    def __init__(self, rest: list[str]) -> None:
        super().__init__()
        self.rest = rest


def follow(path: str, target_of: Callable[[str], str | None]) -> str:
    """The path that `path` leads to; both are relative to the package's top.

    target_of: the target of the link at a path without links, None where there is no link.
    Raises LeavesPackage, TooManyLinks, AbsoluteTarget.
    """
    at: list[str] = []
    todo = path.split("/")[::-1]
    followed = 0
    while todo:
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not at:
                raise LeavesPackage
            at.pop()
            continue
        at.append(part)
        target = target_of("/".join(at))
        if target is None:
            continue
        if target.startswith("/"):
            raise AbsoluteTarget(todo)
        followed += 1
        if followed > MAX_FOLLOWED_LINKS:
            raise TooManyLinks
        at.pop()
        todo.extend(target.split("/")[::-1])
    return "/".join(at)
