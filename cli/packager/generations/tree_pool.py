"""ROOT/generations: the few trees of links that exist, which one is changed next, what is left.

    <n>        the tree of generation n (`link_tree`), if history/<n>.json exists or it is active
    spare      a complete tree that is no generation, made in advance
    any other  left by a killed command; a number without its history too

Making fifty thousand links takes a second, so a new generation's tree is an old one with what
differs changed: the spare, which the first activation makes, or the one that has been out of use
for longest. If that is hardly out of use and the only one, whoever is still reading in it gets time
to leave: a fresh copy is made, or, if that would take longer, the two seconds are waited for. A
generation whose tree was taken keeps its place in history, and gets a tree again when somebody goes
back to it.

Power losses: a tree is renamed and its directory synced before a link of it is changed; it gets its
number only when all of it is synced; `active` is switched when the number is synced, and history is
written after the switch. So every name says the truth at every moment, and recovery has to look at
names only. All functions raise OSError; the caller holds ROOT/lock.

In a lower layer of an overlay file system (a store that came with an image) no directory can be
renamed (EXDEV, see the kernel's overlayfs.rst). There a tree is copied instead, and deleted where
it is: its document first, so that what has none is no tree but what a kill has left of one.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress

from packager.base import durable_files
from packager.base.debug_log import debug
from packager.base.durable_files import opened
from packager.base.errors import DataError, PackagerError
from packager.base.mounts import refuse_mounts
from packager.generations import link_tree
from packager.generations.document import DOCUMENT, Generation, active_number, decode, is_number
from packager.generations.foreign_files import foreign_files
from packager.generations.link_tree import Spoiled
from packager.generations.path_conflicts import DIRECTORY
from packager.generations.tree_layout import MODE, SOURCES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from packager.generations.published_links import Published

    Load = Callable[[str, tuple[str, ...]], Published]

LINKS = "links-"  # begins the names of trees in a staging directory, which are to be deleted
MAX_NAME_CHARACTERS = 50  # of what somebody else has put there, in the name that it gets
SPARE = "spare"
NEXT = "next"
NEXT_SPARE = "next-spare"
FEW = 64  # directories that are synced one by one: syncfs(2) may have to wait for others' writes
MIN_IDLE_SECONDS = 2.0  # seconds that a tree is out of use before it is changed
MAX_IDLE_TREES = 2  # trees out of use: the oldest of so many is changed even sooner
SECONDS_PER_COPIED_LINK = 25e-6  # seconds that it takes to copy a link, about
NEW_LINK = "active.new"
MAKE_ANOTHER = "swap or add a package, which makes another one, and repair that"


class Trees:
    """The trees of the store at `root`; `root_fd` stays the caller's."""

    def __init__(self, root: str, root_fd: int) -> None:
        self._root = root
        self._root_fd = root_fd

    def recover(self, garbage: int) -> list[str]:
        """Finish or take back what a killed command left; move what is left of it to the directory
        `garbage`, where it is deleted by somebody else. Returns the names of what was found."""
        self.refuse_mounts_in_unfinished()
        active = active_number(self._root)
        found = []
        if active is not None and not self._in_history(active):
            os.fsync(self._root_fd)  # the switch may not be on the disk yet
            self.remember(active)
            found.append(f"history/{active}.json")
        if os.path.lexists(f"{self._root}/{NEW_LINK}"):
            os.unlink(NEW_LINK, dir_fd=self._root_fd)
            found.append(NEW_LINK)
        for name in self._unfinished(active):
            self.discard(name, garbage)
            found.append(f"generations/{name}")
        return found

    def refuse_mounts_in_unfinished(self) -> None:
        """Raise ConfigError if something is mounted in a tree that `recover` would move away."""
        self.refuse_mounts(self._unfinished(active_number(self._root)))

    def refuse_mounts(self, names: Iterable[str] | None = None) -> None:
        """Raise ConfigError if something is mounted in one of these trees (None: in any)."""
        trees = self._names() if names is None else names
        refuse_mounts(self._root_fd, [f"generations/{name}" for name in trees])

    def _unfinished(self, active: int | None) -> list[str]:
        return [name for name in self._names() if not self._is_known(name, active)]

    def _is_known(self, name: str, active: int | None) -> bool:
        if not is_number(name):
            return name == SPARE and self._has_document(name)
        number = int(name)
        return number == active or (self._in_history(number) and self._has_document(name))

    def has(self, number: int) -> bool:
        """Whether generation `number` has its tree."""
        return self._has_document(str(number))

    def prepare(
        self, target: Generation, files: Mapping[str, bytes], load: Load, garbage: int
    ) -> None:
        """Make the tree of `target`, durably; it is not active yet.

        files: names and contents of what stands at the top beside the links. load: what a package
        publishes for these roles. garbage: a directory of this command's own, deleted by somebody
        else.
        """
        self.refuse_mounts()  # trees are made of one another
        with opened("generations", self._root_fd) as generations:
            self._discard_unfinished(garbage)
            try:
                self._prepare(generations, target, files, load, garbage)
            except BaseException:
                with suppress(OSError):  # else the next writer does it
                    self._discard_unfinished(garbage)
                raise

    def renew(
        self, target: Generation, files: Mapping[str, bytes], load: Load, garbage: int
    ) -> None:
        """Make the tree of `target` anew, of the packages alone, and put it in the place of the one
        that is there, active or not, by one rename; durably. Arguments as of `prepare`."""
        self.refuse_mounts((NEXT, NEXT_SPARE, str(target.number)))
        with opened("generations", self._root_fd) as generations:
            self._discard_unfinished(garbage)
            self._build(generations, target, files, load)
            number = str(target.number)
            if os.path.lexists(f"{self._root}/generations/{number}"):
                durable_files.exchange(NEXT, generations, number, generations, remedy=MAKE_ANOTHER)
                os.fsync(generations)
                self.discard(NEXT, garbage, was=number)
            else:
                os.rename(NEXT, number, src_dir_fd=generations, dst_dir_fd=generations)
                os.fsync(generations)

    def switch(self, number: int) -> None:
        """Make generation `number`, whose tree is there and synced, the active one; durably.

        After an error nothing has changed.
        """
        before = active_number(self._root)
        link_tree.place_link(NEW_LINK, f"generations/{number}", self._root_fd)
        os.rename(NEW_LINK, "active", src_dir_fd=self._root_fd, dst_dir_fd=self._root_fd)
        try:
            os.fsync(self._root_fd)
        except OSError:
            if before is not None:
                link_tree.place_link(NEW_LINK, f"generations/{before}", self._root_fd)
                os.rename(NEW_LINK, "active", src_dir_fd=self._root_fd, dst_dir_fd=self._root_fd)
            else:
                os.unlink("active", dir_fd=self._root_fd)
            raise
        if before is not None:
            # The tree's age is how long it has been out of use. Nothing depends on it.
            with suppress(OSError):
                os.utime(f"{self._root}/generations/{before}", follow_symlinks=False)

    def remember(self, number: int) -> None:
        """Give generation `number`, which has its tree, its place in history; durably."""
        with (
            opened("history", self._root_fd) as history,
            opened("generations", self._root_fd) as generations,
            opened(str(number), generations) as tree,
        ):
            with suppress(FileExistsError):
                os.link(DOCUMENT, f"{number}.json", src_dir_fd=tree, dst_dir_fd=history)
            os.fsync(history)

    def forget(self, number: int, garbage: int) -> None:
        """Take generation `number` out of history, and its tree away."""
        with opened("history", self._root_fd) as history:
            with suppress(FileNotFoundError):
                os.unlink(f"{number}.json", dir_fd=history)
            os.fsync(history)
        if os.path.lexists(f"{self._root}/generations/{number}"):
            self.discard(str(number), garbage)

    def drop_spare(self, garbage: int, packages: Iterable[str] | None = None) -> bool:
        """Take the spare tree away if it has one of the packages (None: in any case)."""
        try:
            spare = self._read(SPARE)
        except FileNotFoundError:
            return False
        except DataError:
            spare = None
        if packages is not None and spare and spare.packages.keys().isdisjoint(packages):
            return False
        self.discard(SPARE, garbage)
        return True

    def discard(self, name: str, garbage: int, *, was: str | None = None) -> None:
        """Move what is called `name` in generations/ to the directory `garbage`, durably: what
        somebody has put there is looked for before it is deleted. was: what it was called until
        now. Nothing is made for that: the disk may be full. What can't be moved is copied there,
        and deleted where it is."""
        with opened("generations", self._root_fd) as generations:
            target = f"{LINKS}{(was or name)[:MAX_NAME_CHARACTERS]}-{os.urandom(4).hex()}"
            try:
                os.rename(name, target, src_dir_fd=generations, dst_dir_fd=garbage)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                link_tree.copy_durably(name, generations, target, garbage)
                with opened(name, generations) as tree:
                    link_tree.place_link(DOCUMENT, None, tree)
                    os.fsync(tree)
                durable_files.remove_tree(name, generations)
            os.fsync(generations)

    def _prepare(
        self,
        generations: int,
        target: Generation,
        files: Mapping[str, bytes],
        load: Load,
        garbage: int,
    ) -> None:
        touched = self._edited(generations, target, load, garbage)
        spare = touched is None and not self._names()
        how = "built anew" if touched is None else "made of an older tree"
        debug(lambda: f"the tree of generation {target.number} is {how}")
        if touched is None:
            self._build(generations, target, files, load, spare=spare)
        else:
            self._complete(generations, target, files, touched)
        os.rename(NEXT, str(target.number), src_dir_fd=generations, dst_dir_fd=generations)
        if spare:
            os.rename(NEXT_SPARE, SPARE, src_dir_fd=generations, dst_dir_fd=generations)
        os.fsync(generations)

    def _build(
        self,
        generations: int,
        target: Generation,
        files: Mapping[str, bytes],
        load: Load,
        *,
        spare: bool = False,
    ) -> None:
        """Make NEXT of nothing, synced; and (spare) NEXT_SPARE as a copy of it."""
        self._make(generations, NEXT)
        with opened(NEXT, generations) as tree:
            packages = [load(each, target.roles) for each in target.packages]
            changes = link_tree.Changes((), packages)
            touched = link_tree.build(tree, changes)
        target.links = changes.more
        self._complete(generations, target, files, touched, spare=spare)

    def _complete(
        self,
        generations: int,
        target: Generation,
        files: Mapping[str, bytes],
        touched: set[str],
        *,
        spare: bool = False,
    ) -> None:
        """Give NEXT, whose links are there, its files; (spare) copy it; sync it and the directories
        `touched`. The copy is made first: it is written to the journal together with NEXT."""
        with opened(NEXT, generations) as tree:
            written = self._write_files(tree, target, files)
            touched |= {name.rpartition("/")[0] for name in written} | {DIRECTORY}
            made = self._copied(generations, NEXT, NEXT_SPARE) if spare else set()
            if len(touched) + len(made) > FEW:
                # On ext4 each fsync(2) sends a flush to the disk, even with nothing left to write.
                durable_files.sync_filesystem(generations)
            else:
                link_tree.sync(tree, touched, written)
                if made:
                    with opened(NEXT_SPARE, generations) as copied:
                        link_tree.sync(copied, made)

    def _edited(
        self, generations: int, target: Generation, load: Load, garbage: int
    ) -> set[str] | None:
        """Make NEXT of a tree that is there; the directories that are to be synced. None: there is
        none that is worth it, or it was spoiled, and nothing is called NEXT."""
        name = self._base()
        if name is None:
            return None
        active = str(active_number(self._root))
        try:
            existing = self._read(name)
            changes = _changes(existing, target, load)
            if changes is None:
                return None
            target.links = None if existing.links is None else existing.links + changes.more
            with opened(name, generations) as tree:
                if foreign_files(tree, existing, quick=True):
                    raise Spoiled(f"generations/{name} has files of somebody else's")
            touched = None if name == active else self._taken(generations, name)
            if touched is None:
                touched = self._copied(generations, name, NEXT)
                if name != active:  # another copy of it is of no use
                    self.discard(name, garbage)
            with opened(NEXT, generations) as tree:
                link_tree.change(tree, changes, _empty_directories(target), touched)
        except (Spoiled, PackagerError, FileNotFoundError):
            self._discard_unfinished(garbage)
            self.drop_spare(garbage)
            if name not in (SPARE, active) and self.has(int(name)):
                self.discard(name, garbage)  # else it would be tried again and again
            return None
        return touched

    def _taken(self, generations: int, name: str) -> set[str] | None:
        """Make the tree `name` NEXT, and return no directories, since all are on the disk; None: it
        can't be renamed, and was left alone."""
        try:
            os.rename(name, NEXT, src_dir_fd=generations, dst_dir_fd=generations)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return None
        os.fsync(generations)
        return set()

    def _discard_unfinished(self, garbage: int) -> None:
        for name in (NEXT, NEXT_SPARE):
            if os.path.lexists(f"{self._root}/generations/{name}"):
                self.discard(name, garbage)

    def _base(self) -> str | None:
        """The tree to make the next one of: its name; the active one's to be copied; or None."""
        names = self._names()
        if SPARE in names:
            return SPARE
        active = active_number(self._root)
        others = [name for name in names if is_number(name) and name != str(active)]
        ages = {name: self._age(name) for name in others}
        if others:
            oldest = max(others, key=lambda name: ages[name])
            young = MIN_IDLE_SECONDS - ages[oldest]
            if len(others) >= MAX_IDLE_TREES or young <= 0:
                return oldest
            with suppress(FileNotFoundError, DataError):
                if (self._read(oldest).links or 0) * SECONDS_PER_COPIED_LINK > young:
                    time.sleep(young)
                    return oldest
        return None if active is None else str(active)

    def _age(self, name: str) -> float:
        """Seconds since the tree went out of use; a clock that was set back makes none young."""
        left = os.stat(f"{self._root}/generations/{name}", follow_symlinks=False).st_mtime  # noqa: PTH116
        age = time.time() - left
        return age if age >= 0 else MIN_IDLE_SECONDS

    def _write_files(self, tree: int, target: Generation, files: Mapping[str, bytes]) -> list[str]:
        """Write the document and the other files, if they are not there already with this content;
        the names of those written. Files may be shared with other trees; none is overwritten."""
        written = []
        history = f"{self._root}/history/{target.number}.json"
        if os.path.lexists(history):  # going back to it: the document is as it was
            link_tree.place_link(DOCUMENT, None, tree)
            os.link(history, DOCUMENT, dst_dir_fd=tree)
            contents = dict(files)
        else:
            contents = {**files, DOCUMENT: target.encode()}
        if "buildinfo.json" not in files:  # no package says anything, unlike those of this tree
            link_tree.place_link("buildinfo.json", None, tree)
        for name, content in contents.items():
            if _read_file(name, tree) == content:
                continue
            link_tree.place_link(name, None, tree)
            durable_files.write_new_file(name, tree, content)
            written.append(name)
        if (
            DOCUMENT not in contents
        ):  # it is as old as the tree, for who asks what was touched since
            os.utime(DOCUMENT, dir_fd=tree, follow_symlinks=False)
        return written

    def _make(self, generations: int, name: str) -> None:
        """Make the empty directory `name`."""
        os.mkdir(name, MODE, dir_fd=generations)
        with opened(name, generations) as made:
            os.fchmod(made, MODE)  # whatever the umask is

    def _copied(self, generations: int, source: str, name: str) -> set[str]:
        """Make `name` a copy of the tree `source`; its directories."""
        self._make(generations, name)
        with opened(source, generations) as old, opened(name, generations) as new:
            return link_tree.copy(old, new)

    def _read(self, name: str) -> Generation:
        """The document in the tree `name`. Raises FileNotFoundError, DataError."""
        place = f"{self._root}/generations/{name}/{DOCUMENT}"
        with open(place, "rb") as file:  # noqa: PTH123
            return decode(file.read(), place)

    def _names(self) -> list[str]:
        return os.listdir(f"{self._root}/generations")  # noqa: PTH208

    def _has_document(self, name: str) -> bool:
        return os.path.lexists(f"{self._root}/generations/{name}/{DOCUMENT}")

    def _in_history(self, number: int) -> bool:
        return os.path.lexists(f"{self._root}/history/{number}.json")


def _changes(existing: Generation, target: Generation, load: Load) -> link_tree.Changes | None:
    """What makes the tree of `existing` that of `target`; None if building it anew is less work, or
    if packages share files: then it takes all of them to say whose link is at a path."""
    if existing.shares or target.shares:
        return None
    if existing.roles == target.roles:
        leaving = existing.packages.keys() - target.packages.keys()
        entering = target.packages.keys() - existing.packages.keys()
    else:
        leaving, entering = set(existing.packages), set(target.packages)
    if (
        2 * len(leaving) > len(existing.packages)
        and existing.roles == target.roles
        and len(leaving) > 1
    ):
        return None
    return link_tree.Changes(
        [load(each, existing.roles) for each in sorted(leaving)],
        [load(each, target.roles) for each in sorted(entering)],
    )


def _empty_directories(target: Generation) -> Iterator[str]:
    """Directories that stay, though no link may be in them."""
    yield from SOURCES
    for declared in target.packages.values():
        yield from declared.get("empty_directories", ())


def _read_file(name: str, tree: int) -> bytes | None:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=tree)
    except FileNotFoundError:
        return None
    with open(fd, "rb") as file:  # noqa: PTH123
        return file.read()
