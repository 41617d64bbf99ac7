"""Which members may become the tree of a package. Decides from names alone; no file system.

Every path that an archive makes is known here, so a member can be judged before anything of it
touches the disk: nothing is ever made below a link, or twice, or outside. The same rules judge the
directory that `build` packs.
"""

from __future__ import annotations

from packager.archive.tar_reader import HARD_LINK, Refused
from packager.package.entry_kinds import DIRECTORY, FILE
from packager.package.host_links import is_allowed_host_link
from packager.package.link_resolution import (
    AbsoluteTarget,
    LeavesPackage,
    TooManyLinks,
    follow,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.archive.limits import Limits

# Packages built by pkgpanda link to themselves, and to each other, by the absolute path that they
# will be installed at. Any other absolute link leaves the tree, but for those to the host's Python.
PKGPANDA_ROOT = "/opt/mesosphere/"
MAX_NAME_BYTES = 255  # bytes of one component, NAME_MAX


class Tree:
    """The paths that have been admitted so far; `kinds` maps each to its kind."""

    __slots__ = ("_implied", "_limits", "kinds", "targets")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._implied: set[str] = set()  # directories that only the paths of others told of
        self.kinds: dict[str, str] = {}
        self.targets: dict[str, str] = {}  # of symbolic links

    def admit(self, name: bytes, kind: str) -> str:
        """The path in the tree, "" for its top, that the member becomes. Raises Refused.

        Its parents are in `kinds` afterwards, as directories.
        """
        path = self._path(name)
        if not path:
            if kind != DIRECTORY:
                raise Refused(f"the top of the tree is a {kind}, not a directory")
            return path
        known = self.kinds.get(path)
        if known is not None:
            if known != DIRECTORY or kind != DIRECTORY or path not in self._implied:
                raise Refused("the archive contains this path twice")
            self._implied.discard(path)
            return path
        self._admit_parents(path)
        self.kinds[path] = FILE if kind == HARD_LINK else kind
        return path

    def admit_link(self, path: str, target: bytes) -> str:
        """The target of the symbolic link at `path`. Raises Refused for one that can't be meant.

        Whether it stays in the tree can be told only at the end: see `check_links`.
        """
        text = self._text(target, "link target")
        if text.startswith("/") and not (
            is_allowed_host_link(text)
            or (text.startswith(PKGPANDA_ROOT) and ".." not in text.split("/"))
        ):
            raise Refused(f"the link leaves the package: its target is {text!r}")
        self.targets[path] = text
        return text

    def admit_hard_link(self, target: bytes) -> str:
        """The path of the file that a hard link shares: one that came before it."""
        path = self._path(target)
        if self.kinds.get(path) != FILE:
            raise Refused(f"the hard link's target {path!r} is not an earlier file of the archive")
        return path

    def check_links(self) -> None:
        """Follow every link as the kernel would; raises Refused, with the link in the message,
        for one that leaves the tree or never ends. A target that does not exist may be meant."""
        for path, target in self.targets.items():
            if not target.startswith("/"):
                self._follow(path, target)

    def _follow(self, path: str, target: str) -> None:
        try:
            follow(path, self.targets.get)
        except TooManyLinks:
            raise Refused(f"the link {path!r} leads through too many links") from None
        except (LeavesPackage, AbsoluteTarget) as error:
            # the host's, or pkgpanda's root may be led to: links nobody knows here
            if isinstance(error, LeavesPackage) or ".." in error.rest:
                raise Refused(
                    f"the link {path!r} leaves the package: its target is {target!r}"
                ) from None

    def _admit_parents(self, path: str) -> None:
        end = path.rfind("/")
        missing = []
        while end > 0:
            parent = path[:end]
            kind = self.kinds.get(parent)
            if kind == DIRECTORY:
                break
            if kind is not None:
                raise Refused(f"the member lies below {parent!r}, which is a {kind}")
            missing.append(parent)
            end = path.rfind("/", 0, end)
        for parent in missing:
            self.kinds[parent] = DIRECTORY
            self._implied.add(parent)
        if len(self.kinds) > self._limits.members:
            raise Refused(
                f"there are more than {self._limits.members} files and directories, counting those "
                "that paths only imply"
            )

    def _path(self, name: bytes) -> str:
        text = self._text(name, "path")
        if text.startswith("/"):
            raise Refused("the path is absolute")
        parts = [part for part in text.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise Refused("the path has a '..' in it")
        if len(parts) > self._limits.depth:
            raise Refused(f"the path is more than {self._limits.depth} directories deep")
        if len(name) > MAX_NAME_BYTES and any(len(p.encode()) > MAX_NAME_BYTES for p in parts):
            raise Refused(f"a name in the path is longer than {MAX_NAME_BYTES} bytes")
        return "/".join(parts)

    def _text(self, raw: bytes, what: str) -> str:
        if not raw:
            raise Refused(f"the {what} is empty")
        if len(raw) > self._limits.member_path:
            raise Refused(f"the {what} is longer than {self._limits.member_path} bytes")
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            raise Refused(f"the {what} is not UTF-8") from None
        if not text.isprintable() and any(c < " " or c == "\x7f" for c in text):
            raise Refused(f"the {what} has a control character in it")
        return text
