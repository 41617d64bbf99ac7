"""Users and state directories that packages ask for, made by the system's own tools.

A user is made with the options that pkgpanda gave to useradd. Only a user that carries that comment
is ever taken away again, so recovery can't delete one that somebody else has made meanwhile.

A state directory belongs to its package's user with all that is in it. Only what belongs to
somebody else is changed, one by one: no link is followed, no other file system entered, and a file
with several names is left alone, since one of them may be another file of the host (a user who may
write here could have linked it).
"""

from __future__ import annotations

import os
import stat

from packager.base import durable_files
from packager.base.errors import ConfigError, Denied, InputOutputError
from packager.base.stop_signals import signals_deferred
from packager.host.system_programs import program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from packager.base.events import Emit
    from packager.host.documents import Accounts, ObservedUser

COMMENT = "DCOS System User"
DIRECTORY_MODE = 0o755
MAKE_IT = "run as root, or make it and give --no-users"  # the remedy where a user can't be made
MAX_DEPTH = 200  # directories below a state directory; each level holds two descriptors


def observe(names: Iterable[str], groups: Iterable[str]) -> Accounts:
    """{"users": {name: {"uid", "gid", "groups"} or None}, "groups": {name: gid or None}}; the
    groups of a user are only those of `groups` and its own first one."""
    import grp
    import pwd

    found_groups: dict[str, int | None] = {}
    members: dict[str, list[str]] = {}
    for name in groups:
        try:
            group = grp.getgrnam(name)
        except KeyError:
            found_groups[name] = None
        else:
            found_groups[name] = group.gr_gid
            members[name] = group.gr_mem
    users: dict[str, ObservedUser | None] = {}
    for name in names:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            users[name] = None
            continue
        within = [
            group
            for group, listed in members.items()
            if name in listed or found_groups[group] == user.pw_gid
        ]
        users[name] = {"uid": user.pw_uid, "gid": user.pw_gid, "groups": within}
    return {"users": users, "groups": found_groups}


def owner_of(path: str) -> str | None:
    """The name of the user that the directory at `path` belongs to, or the number of one that has
    no name; None: it is not there.

    Raises InputOutputError if something else is there.
    """
    import pwd

    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISDIR(status.st_mode):
        raise InputOutputError(f"{path}: a state directory is needed, and something else is there")
    try:
        return pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        return str(status.st_uid)


def refuse_unless_makable(name: str) -> None:
    """Raise Denied or ConfigError if `make_user` could not make the user `name`."""
    _tool("useradd", _cannot_be_made(name), MAKE_IT)


def make_user(name: str, group: str | None, home: str) -> None:
    """Make the system user `name` if it is not there. Raises Denied, ConfigError for want of the
    program, InputOutputError."""
    import pwd

    try:
        pwd.getpwnam(name)
    except KeyError:
        pass
    else:
        return
    own_group = ["--gid", group] if group and group != name else ["--user-group"]
    _run(
        [
            *("useradd", "--system", "--home-dir", home, "--no-create-home"),
            *("--shell", "/sbin/nologin", "--comment", COMMENT, *own_group, name),
        ],
        _cannot_be_made(name),
        MAKE_IT,
    )


def _cannot_be_made(name: str) -> str:
    return f"the user {name} can't be made"


def remove_user(name: str) -> None:
    """Take the user away that `make_user` has made, if it is there. Raises Denied, ConfigError,
    InputOutputError."""
    import pwd

    try:
        user = pwd.getpwnam(name)
    except KeyError:
        return
    if user.pw_gecos == COMMENT:
        _run(["userdel", name], f"the user {name} can't be removed", "run as root")


def make_directory(path: str, user: str | None) -> None:
    """Make the state directory at `path`, and its parents, owned by `user`. Durable; raises
    OSError, Denied."""
    durable_files.make_directories(os.path.dirname(path), DIRECTORY_MODE)  # noqa: PTH120
    parent = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)  # noqa: PTH120
    try:
        name = os.path.basename(path)  # noqa: PTH119
        try:
            os.mkdir(name, DIRECTORY_MODE, dir_fd=parent)
        except FileExistsError:
            return
        os.chmod(name, DIRECTORY_MODE, dir_fd=parent)  # whatever the umask is
        if user is not None:
            uid, gid = _ids(user)
            os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)
        os.fsync(parent)
    finally:
        os.close(parent)


def remove_directory(path: str) -> None:
    """Take the state directory away if it is there and nothing is in it. Raises OSError."""
    import errno

    try:
        os.rmdir(path)  # noqa: PTH106
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise


def own_tree(path: str, user: str, emit: Emit) -> int:
    """Give to `user` what belongs to others in the directory at `path`; how much that was.

    Raises Denied, PackagerError, OSError. Events: `warning` for what is left alone.
    """
    uid, _ = _ids(user)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        status = os.fstat(fd)
        changed = 0
        if status.st_uid != uid:
            os.fchown(fd, uid, -1)
            changed = 1
        return changed + _own(fd, path, uid, status.st_dev, emit, MAX_DEPTH)
    finally:
        os.close(fd)


def _own(fd: int, path: str, uid: int, device: int, emit: Emit, depth: int) -> int:
    changed = 0
    if depth == 0:
        emit("warning", message=f"{path}: what is deeper than this is not changed")
        return 0
    with os.scandir(fd) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        try:
            each = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=fd)
        except FileNotFoundError:
            continue  # a service at work may delete its files
        try:
            status = os.fstat(each)
            is_directory = stat.S_ISDIR(status.st_mode)
            if status.st_dev != device:
                emit("warning", message=f"{path}/{name} is another file system; it is not changed")
                continue
            if status.st_uid != uid and not is_directory and status.st_nlink > 1:
                emit("warning", message=f"{path}/{name} has another hard link; it is not changed")
                continue
            if status.st_uid != uid:
                # Through the descriptor: what was judged is what is changed, whatever its name is
                # made to mean by now.
                os.chown(f"/proc/self/fd/{each}", uid, -1)
                changed += 1
            if is_directory:
                inner = os.open(f"/proc/self/fd/{each}", os.O_RDONLY | os.O_DIRECTORY)
                try:
                    changed += _own(inner, f"{path}/{name}", uid, device, emit, depth - 1)
                finally:
                    os.close(inner)
        finally:
            os.close(each)
    return changed


def _ids(user: str) -> tuple[int, int]:
    import pwd

    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise InputOutputError(f"there is no user {user}, though it was to be made") from None
    return entry.pw_uid, entry.pw_gid


def _run(words: list[str], failed: str, remedy: str) -> None:
    import subprocess

    path = _tool(words[0], failed, remedy)
    try:
        with signals_deferred():  # interrupted it would leave an incomplete user
            done = subprocess.run(
                [path, *words[1:]], capture_output=True, stdin=subprocess.DEVNULL, check=False
            )
    except OSError as error:
        raise InputOutputError(f"{failed}: {path}: {error.strerror}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise InputOutputError(f"{failed}: {said or f'{path} ended with {done.returncode}'}")


def _tool(name: str, failed: str, remedy: str) -> str:
    """The path of a program that changes users. Raises Denied with the `remedy`, ConfigError."""
    if os.geteuid() != 0:
        raise Denied(f"{failed}: only root can; {remedy}")
    try:
        return program(name)
    except ConfigError as error:
        raise ConfigError(f"{failed}: {error}") from None
