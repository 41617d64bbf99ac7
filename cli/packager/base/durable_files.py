"""What makes a change survive a power loss, and what takes a tree away again.

Two thousand files are synced by one syncfs(2), not by two thousand fsync(2): one journal commit
instead of thousands. It may write other programs' dirty pages too, which costs time and harms
nothing. Since Linux 5.8 syncfs reports the write errors since the descriptor was opened.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress

from packager.base.byte_output import write_all
from packager.base.errors import InputOutputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

RENAME_EXCHANGE = 2  # linux/fs.h
UNFINISHED = ".new"  # ends the name of a file that is to replace another one
ACCESS_LISTS = ("system.posix_acl_default", "system.posix_acl_access")  # extended attributes
ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW  # how directories of a store are opened


def sync_filesystem(fd: int) -> None:
    """Write everything dirty on the file system of `fd` to its device (syncfs(2)).

    `fd` must have been opened before the writes it vouches for, else an error of theirs may
    have been reported to nobody. Raises OSError.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def content_of(name: str, parent: int) -> bytes | None:
    """What is in the file `name` of a directory; None if it can't be opened, or is a link."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
    except OSError:
        return None
    with open(fd, "rb") as file:  # noqa: PTH123
        return file.read()


def make_directory(path: str, mode: int, parent: int) -> None:
    """Make the directory `path` durably if it is not there. `parent` is the descriptor that holds
    it, which is synced. Raises OSError."""
    try:
        os.mkdir(path, mode, dir_fd=parent)
    except FileExistsError:
        return
    with opened(path, parent) as made:
        set_mode(made, mode)
    os.fsync(parent)


def set_mode(directory: int, mode: int) -> None:
    """Give the new directory `directory` this mode, whatever the umask is, and whatever access
    control lists it has inherited (acl(5), default ACLs), which what is made in it would inherit as
    well. Raises OSError."""
    for name in ACCESS_LISTS:
        with suppress(OSError):  # it has none, or the file system knows none
            os.removexattr(directory, name)
    os.fchmod(directory, mode)


def has_default_access_list(directory: int) -> bool:
    """Whether what is made in the directory inherits an access control list."""
    try:
        return bool(os.getxattr(directory, ACCESS_LISTS[0]))
    except OSError:
        return False


def exchange(name: str, parent: int, other: str, other_parent: int, *, remedy: str) -> None:
    """Let the two names, each in its directory, mean what the other one meant: in one step, so that
    both are there at every moment (renameat2(2), RENAME_EXCHANGE). The caller syncs both places.

    Raises InputOutputError with the `remedy` where the kernel or the file system can't, as for
    directories in a lower layer of an overlay file system (EXDEV); OSError.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    number = errno.ENOSYS
    if hasattr(libc, "renameat2"):
        done = libc.renameat2(
            *(parent, os.fsencode(name), other_parent, os.fsencode(other), RENAME_EXCHANGE)
        )
        number = ctypes.get_errno() if done != 0 else 0
    if number in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EXDEV):
        reason = "the file system of the store (or this kernel) can't exchange two directories"
        if number == errno.EXDEV:
            reason = (
                "it is in a layer of an image (an overlay file system without redirect_dir), "
                "where no directory can be exchanged"
            )
        raise InputOutputError(f"{other} can't be repaired in its place: {reason}; {remedy}")
    if number:
        raise OSError(number, os.strerror(number), other)


def make_directories(path: str, mode: int) -> None:
    """Make the directory at `path`, and its parents, durably where they are not there. Raises
    OSError."""
    parent = os.path.dirname(path) or "."  # noqa: PTH120
    try:
        os.mkdir(path, mode)  # noqa: PTH102
    except FileExistsError:
        if not os.path.isdir(path):  # noqa: PTH112
            raise
        return
    except FileNotFoundError:
        if parent == path:
            raise
        make_directories(parent, mode)
        try:
            os.mkdir(path, mode)  # noqa: PTH102
        except FileExistsError:
            return
    fd = os.open(path, ENTER)
    try:
        set_mode(fd, mode)
    finally:
        os.close(fd)
    with suppress(PermissionError):  # who may write to it need not be allowed to read it
        fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


@contextmanager
def opened(name: str, parent: int) -> Iterator[int]:
    """A descriptor of the directory `name` in the directory `parent`. Raises OSError."""
    fd = os.open(name, ENTER, dir_fd=parent)
    try:
        yield fd
    finally:
        os.close(fd)


def write_new_file(
    name: str, parent: int, content: bytes, *, mode: int = 0o644, sync: bool = False
) -> None:
    """Make the file `name`, which is not there yet, in the directory `parent`; unless `sync`, the
    caller syncs it. It is never readable for more than `mode`, not for a moment. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    _write_file(name, parent, content, flags, mode, sync=sync)


def _write_file(
    name: str, parent: int, content: bytes, flags: int, mode: int, *, sync: bool
) -> None:
    fd = os.open(name, flags, mode, dir_fd=parent)
    try:
        os.fchmod(fd, mode)  # whatever the umask is
        write_all(fd, content)
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)


def replace_file_in(
    directory: str, name: str, content: bytes, *, temporary: str, mode: int = 0o644
) -> None:
    """Make `content` the file `name` of the directory at the path `directory`, durably, by one
    rename; the file `temporary` beside it is overwritten.

    Raises OSError; the old file is then still there, and nothing new beside it.
    """
    top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            _write_file(temporary, top, content, flags, mode, sync=True)
            os.rename(temporary, name, src_dir_fd=top, dst_dir_fd=top)
        except OSError:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=top)
            raise
        os.fsync(top)
    finally:
        os.close(top)


def replace_file(name: str, parent: int, content: bytes) -> bool:
    """Make `content` that of the file `name` in the directory `parent`, durably, by one rename; say
    false if it was that before, and leave the file with its times. The caller holds a lock against
    other writers of it. Raises OSError."""
    with suppress(OSError):
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=parent)
        with open(fd, "rb") as file:  # noqa: PTH123
            if file.read(len(content) + 1) == content:
                return False
    temporary = f".{name}{UNFINISHED}"
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=parent)  # a killed writer's
    try:
        write_new_file(temporary, parent, content, sync=True)
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=parent)
        raise
    os.fsync(parent)
    return True


def remove_tree(name: str, parent: int) -> None:
    """Delete `name` in the directory `parent`, whatever it is, following no link and entering no
    other file system.

    Nothing that has gone already is an error. What can't be deleted stays, the rest goes: the
    first such OSError is raised at the end, its `filename` a path below `parent`. Archives are
    limited in depth, so this may call itself.
    """
    try:
        _remove(name, parent)
    except FileNotFoundError:
        return
    except OSError as error:
        error.filename = error.filename or name
        raise


def _remove(name: str, parent: int) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except IsADirectoryError:
        pass
    else:
        return
    try:
        # A mount point is refused (EBUSY) before it is looked at whether anything is in it.
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    else:
        return
    fd = os.open(name, ENTER, dir_fd=parent)
    try:
        if os.fstat(fd).st_dev != os.fstat(parent).st_dev:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), name)
        failure = _empty(name, fd)
    finally:
        os.close(fd)
    if failure is not None:
        raise failure
    os.rmdir(name, dir_fd=parent)


def _empty(name: str, fd: int) -> OSError | None:
    """Delete all that can be of what is in the directory `fd`, called `name`; the first failure."""
    failure = None
    with os.scandir(fd) as entries:
        names = [entry.name for entry in entries]
    for child in names:
        try:
            remove_tree(child, fd)
        except OSError as error:
            if failure is None:
                error.filename = f"{name}/{error.filename}"
                failure = error
    return failure
