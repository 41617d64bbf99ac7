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
from packager.base.debug_log import debug
from packager.base.digest import sha256
from packager.base.durable_files import opened
from packager.base.errors import ConfigError, NotFound, PackagerError, from_os_error
from packager.base.mounts import refuse_mounts
from packager.base.ownership import refuse_others_directories
from packager.base.stop_signals import signals_deferred
from packager.generations.environment_files import refuse_separator
from packager.generations.tree_pool import LINKS, SPARE, Trees
from packager.store import lock, removal_in_place
from packager.store.staging import Staging, open_staging, take_dead
from packager.store.store_format import declare
from packager.store.translation import translated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packager.base.events import Emit

RECORD_OF = "record-"  # begins the names of records in a staging directory
DIRECTORIES = (
    ("manifests", 0o755),
    ("staging", 0o700),
    ("packages", 0o755),
    ("generations", 0o755),
    ("history", 0o755),
)


class Session:
    """One changing command at work in the store at `root`."""

    __slots__ = ("_lock_wait", "found", "mine", "raises", "root", "root_fd", "trees", "undeleted")

    def __init__(
        self, root: str, root_fd: int, lock_wait: float, mine: Staging, trees: Trees
    ) -> None:
        self.root = root
        self.root_fd = root_fd
        self.mine = mine  # a private directory, removed at the end
        self.trees = trees
        self.found: list[str] = []  # what had been left, by their names in the store
        self.undeleted: list[OSError] = []  # of that, what still is; `filename`: below staging/
        self.raises = False  # what can't be deleted of what this command has taken away, at its end
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

    def refuse_mounts(self, package_ids: Iterable[str]) -> None:
        """Raise ConfigError if something is mounted in the trees of these packages, or in that of
        links that goes with them."""
        self.trees.refuse_mounts((SPARE,))
        refuse_mounts(self.root_fd, [f"packages/{each}" for each in package_ids])

    def raise_undeleted(self, done: str) -> None:
        """After the session: raise the failure, if any, to delete what this command has taken out
        of the store. `done`: what it did all the same."""
        if self.mine.undeleted is not None:
            raise undeleted(self.root, self.mine.undeleted, f"{done}, but ")

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
            name = record_name(package_id)
            linked = False
            with suppress(OSError):  # there may be no room for anything new
                os.link(package_id, name, src_dir_fd=known, dst_dir_fd=self.mine.fd)
                linked = True
            try:
                move(package_id, packages, package_id, self.mine.fd)
            except OSError as error:
                if error.errno != errno.EXDEV or (not linked and is_there(package_id, known)):
                    raise
                removal_in_place.begin(package_id, packages, self.mine.fd)
                removal_in_place.carry_out(package_id, packages, known)
                return
            try:
                with suppress(FileNotFoundError):
                    if linked:
                        os.unlink(package_id, dir_fd=known)
                    else:
                        os.rename(package_id, name, src_dir_fd=known, dst_dir_fd=self.mine.fd)
            except OSError:
                os.rename(package_id, package_id, src_dir_fd=self.mine.fd, dst_dir_fd=packages)
                raise
            with suppress(OSError):  # the package is gone; a record that stays harms nothing
                os.fsync(known)


@contextmanager
def writing(
    root: str,
    *,
    lock_wait: float,
    make: bool = True,
    discard: bool = False,
    emit: Emit | None = None,
) -> Iterator[Session]:
    """A session in the store at `root`, which is made if it is not there (and `make` is true).

    discard: what somebody has changed in the trees that this command takes away is not kept (see
    `kept_files`). Events: `kept` (of, path, place), `warning` (message) for what can't be deleted
    at the end. Raises PackagerError only:
    whatever errno the block ends with is translated.
    """
    # A store is for everybody to read, whatever the umask of whoever writes to it.
    os.umask(0o022)
    with translated(root), _open_root(root, make) as root_fd:

        def save(staging: int) -> None:
            if any(name.startswith((LINKS, RECORD_OF)) for name in os.listdir(staging)):
                from packager.store.kept_files import keep_aside

                keep_aside(root, root_fd, staging, emit)

        with lock.exclusive(root_fd, root, lock_wait):
            declare(root, root_fd)
            trees = Trees(root, root_fd)
            trees.refuse_mounts_in_unfinished()
            dead = take_dead(root_fd)
            session = Session(root, root_fd, lock_wait, open_staging(root_fd), trees)
            try:
                session.found = [f"staging/{each.name}" for each in dead]
                if dead:
                    _finish_removals(root_fd, dead)
                    _drop_orphans(root_fd, dead)
                session.found += session.trees.recover(session.mine.fd)
            except BaseException:
                with session.mine:
                    raise
        with session.mine:
            if not discard:
                session.mine.rescue = save
            for leftover in dead:
                leftover.rescue = save
                with leftover:
                    pass
                if leftover.undeleted is not None:
                    session.undeleted.append(leftover.undeleted)
            yield session
        own = None if session.raises else session.mine.undeleted
        for failure in (*session.undeleted, own):
            if failure is not None:
                message = str(undeleted(root, failure))
                debug(message.__str__)
                if emit is not None:
                    emit("warning", message=message)


def undeleted(root: str, failure: OSError, before: str = "") -> PackagerError:
    """What to raise, or to say, if something in ROOT/staging can't be deleted."""
    path = f"{root}/staging/{failure.filename}"
    remedies = {
        errno.EPERM: "is it immutable? 'lsattr' tells, 'chattr -i' ends it",
        errno.EBUSY: f"is something mounted there? 'umount {path}'",
        errno.EROFS: "mount the file system writable",
    }
    remedy = remedies.get(failure.errno or 0, "look who owns it, and at the kernel's log")
    kind = type(from_os_error(failure))
    return kind(
        f"{before}{path} can't be deleted: {failure.strerror}: {remedy}; "
        "then 'packager recover' deletes it"
    )


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


def record_name(package_id: str) -> str:
    """What the record of a package is called in a staging directory that its tree was moved to: it
    tells what in the tree is the package's own (see `kept_files`)."""
    return RECORD_OF + sha256(package_id.encode())[:32]


def is_there(name: str, parent: int) -> bool:
    """Whether the directory `parent` has something called `name`. Raises OSError."""
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


@contextmanager
def _open_root(root: str, make: bool) -> Iterator[int]:
    refuse_others_directories(root)
    if make:
        if not os.path.lexists(root):
            refuse_separator(root)
        durable_files.make_directories(root, 0o755)
    try:
        root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        raise NotFound(f"{root}: there is no store here") from None
    try:
        for name, mode in DIRECTORIES:
            durable_files.make_directory(name, mode, root_fd)
            found = os.stat(name, dir_fd=root_fd, follow_symlinks=False).st_mode
            if stat.S_ISDIR(found) and stat.S_IMODE(found) != mode:
                _drop_inherited_access(name, root_fd, mode)
            if not stat.S_ISDIR(found):
                raise ConfigError(
                    f"{root}/{name}: a directory is needed there, not a link or a file; put it "
                    "back, or give another --root"
                )
        yield root_fd
    finally:
        os.close(root_fd)


def _drop_inherited_access(name: str, root_fd: int, mode: int) -> None:
    """Mend a directory that an older version has made where a default ACL holds. Others, whose
    mode somebody has chosen, are left alone."""
    with opened(name, root_fd) as directory, suppress(PermissionError):
        if durable_files.has_default_access_list(directory):
            durable_files.set_mode(directory, mode)


def _finish_removals(root_fd: int, dead: Iterable[Staging]) -> None:
    """Go on with removals in place that were interrupted. The caller holds the lock."""
    for each in dead:
        for package_id in removal_in_place.begun(each.fd):
            with opened("packages", root_fd) as packages, opened("manifests", root_fd) as known:
                removal_in_place.carry_out(package_id, packages, known)


def _drop_orphans(root_fd: int, dead: Iterable[Staging]) -> None:
    """Delete records without a tree; one whose tree is in a directory of `dead` goes there. The
    caller holds the lock: nobody is publishing."""
    with opened("packages", root_fd) as packages, opened("manifests", root_fd) as manifests:
        for name in set(os.listdir(manifests)) - set(os.listdir(packages)):  # noqa: PTH208
            taken = next((each.fd for each in dead if is_there(name, each.fd)), None)
            with suppress(FileNotFoundError):
                if taken is not None:  # does nothing if both are one file, see rename(2)
                    os.rename(name, record_name(name), src_dir_fd=manifests, dst_dir_fd=taken)
                os.unlink(name, dir_fd=manifests)
        os.fsync(manifests)
