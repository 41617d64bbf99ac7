"""What every changing command begins with: the store is opened, what killed ones left is cleared.

Under ROOT/lock nobody is publishing, switching or removing, so whatever is unfinished there is
nobody's. It is moved into this command's own staging directory and deleted later, without the lock.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress

from packager.base import durable_files
from packager.base.durable_files import opened
from packager.base.errors import ConfigError, NotFound, from_os_error
from packager.base.stop_signals import signals_deferred
from packager.generations.tree_pool import Trees
from packager.store import lock, removal_in_place
from packager.store.staging import Staging, open_staging, take_dead

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DIRECTORIES = (
    ("manifests", 0o755),
    ("staging", 0o700),
    ("packages", 0o755),
    ("generations", 0o755),
    ("history", 0o755),
)


class Session:
    """One changing command at work in the store at `root`."""

    __slots__ = ("_lock_wait", "found", "mine", "root", "root_fd", "trees")

    def __init__(self, root: str, root_fd: int, lock_wait: float, mine: Staging) -> None:
        self.root = root
        self.root_fd = root_fd
        self.mine = mine  # a private directory, removed at the end
        self.trees = Trees(root, root_fd)
        self.found: list[str] = []  # what had been left, by their names in the store
        self._lock_wait = lock_wait

    @contextmanager
    def locked(self, name: str = lock.NAME) -> Iterator[None]:
        """Hold ROOT/`name` inside the block. Raises Temporary, OSError.

        Whoever held ROOT/lock since this session began may have been killed while it did.
        """
        with lock.exclusive(self.root_fd, self.root, self._lock_wait, name):
            if name == lock.NAME:
                self.found += self.trees.recover(self.mine.fd)
            yield

    def refuse_split_store(self) -> None:
        """Raise ConfigError if part of the store is on another file system, where no rename leads:
        before an archive is downloaded or unpacked for nothing. Raises OSError."""
        devices = {
            name: os.stat(name, dir_fd=self.root_fd, follow_symlinks=False).st_dev
            for name, _ in DIRECTORIES
        }
        for name, device in devices.items():
            if device != devices["staging"]:
                raise ConfigError(
                    f"{self.root}/{name} is another file system than {self.root}/staging: packages "
                    "are put in place by one rename; mount all of the store there"
                )

    def take_away(self, package_id: str) -> None:
        """Take an installed package out of the store, durably. The caller holds ROOT/lock and
        knows that nothing needs it. Raises FileNotFoundError if it is not there, OSError."""
        with (
            signals_deferred(),  # or a record without its tree would stay, and nobody look for it
            opened("staging", self.root_fd) as staging,
            opened("packages", self.root_fd) as packages,
            opened("manifests", self.root_fd) as known,
        ):
            # Records without a tree are looked for only if staging/ has a dead directory: ours has
            # to be on the disk before the tree goes, and the record has to go before it does.
            os.fsync(staging)
            try:
                move(package_id, packages, package_id, self.mine.fd)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                removal_in_place.begin(package_id, self.mine.fd)
                removal_in_place.carry_out(package_id, packages, known)
                return
            try:
                with suppress(FileNotFoundError):
                    os.unlink(package_id, dir_fd=known)
            except OSError:
                os.rename(package_id, package_id, src_dir_fd=self.mine.fd, dst_dir_fd=packages)
                raise
            with suppress(OSError):  # the package is gone; a record that stays harms nothing
                os.fsync(known)


@contextmanager
def writing(root: str, *, lock_wait: float, make: bool = True) -> Iterator[Session]:
    """A session in the store at `root`, which is made if it is not there (and `make` is true).

    Raises PackagerError only: whatever errno the block ends with is translated.
    """
    # A store is for everybody to read, whatever the umask of whoever writes to it.
    os.umask(0o022)
    with translated(root), _open_root(root, make) as root_fd:
        with lock.exclusive(root_fd, root, lock_wait):
            dead = take_dead(root_fd)
            session = Session(root, root_fd, lock_wait, open_staging(root_fd))
            try:
                session.found = [f"staging/{each.name}" for each in dead]
                if dead:
                    _finish_removals(root_fd, dead)
                    _drop_orphans(root_fd)
                session.found += session.trees.recover(session.mine.fd)
            except BaseException:
                with session.mine:
                    raise
        with session.mine:
            for leftover in dead:
                with leftover:
                    pass
            yield session


@contextmanager
def translated(root: str) -> Iterator[None]:
    """Raise the PackagerError for every OSError of the block."""
    try:
        yield
    except OSError as error:
        raise from_os_error(error, root) from error


def move(name: str, source: int, new_name: str, target: int) -> None:
    """Rename durably from the directory `source` to `target`, one of them packages/; what can't
    be made durable is taken back, so that a failure that is reported changed nothing."""
    os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)
    try:
        os.fsync(source)
        os.fsync(target)
    except OSError:
        os.rename(new_name, name, src_dir_fd=target, dst_dir_fd=source)
        raise


@contextmanager
def _open_root(root: str, make: bool) -> Iterator[int]:
    if make:
        durable_files.make_directories(root, 0o755)
    try:
        root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        raise NotFound(f"{root}: there is no store here") from None
    try:
        for name, mode in DIRECTORIES:
            durable_files.make_directory(name, mode, root_fd)
            if not stat.S_ISDIR(os.stat(name, dir_fd=root_fd, follow_symlinks=False).st_mode):
                raise ConfigError(
                    f"{root}/{name}: a directory is needed there, not a link or a file; put it "
                    "back, or give another --root"
                )
        yield root_fd
    finally:
        os.close(root_fd)


def _finish_removals(root_fd: int, dead: Iterable[Staging]) -> None:
    """Go on with removals in place that were interrupted. The caller holds the lock."""
    for each in dead:
        for package_id in removal_in_place.begun(each.fd):
            with opened("packages", root_fd) as packages, opened("manifests", root_fd) as known:
                removal_in_place.carry_out(package_id, packages, known)


def _drop_orphans(root_fd: int) -> None:
    """Delete records without a tree. The caller holds the lock: nobody is publishing."""
    with opened("packages", root_fd) as packages, opened("manifests", root_fd) as manifests:
        for name in set(os.listdir(manifests)) - set(os.listdir(packages)):  # noqa: PTH208
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=manifests)
        os.fsync(manifests)
