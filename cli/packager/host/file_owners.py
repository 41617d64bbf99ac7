"""Files of packages that are to belong to a service's user or group: `owners` in pkginfo.json.

All of the store belongs to who runs packager; a service that is somebody else can't read what the
others may not. So a package may name files of its own and whom they are given to. That is done
before the set becomes active, once the users of the set are there; what a kill or a power loss has
left undone is in the next plan.
"""

from __future__ import annotations

import os
import stat

from packager.base.durable_files import ENTER
from packager.base.errors import Denied, InputOutputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from packager.host.documents import PlannedFileOwner, RequiredUser
    from packager.package.declarations import Declarations

FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


def to_be_given(
    root: str, declared_by_id: Mapping[str, Declarations], users: Mapping[str, RequiredUser]
) -> tuple[list[PlannedFileOwner], list[str]]:
    """The files that do not belong to whom these packages say, and why some can't be given.

    users: those that the packages need; who is not there yet will be. Raises OSError.
    """
    files: list[PlannedFileOwner] = []
    reasons = []
    for package_id, path, user, group in _declared(declared_by_id):
        place = f"{package_id}/{path}"
        if user is not None and user not in users and _uid(user) is None:
            reasons.append(f"{place} is to belong to {user}: there is no such user, make it")
        own_groups = {name for name, each in users.items() if each["group"] in (None, name)}
        if group is not None and group not in own_groups and _gid(group) is None:
            reasons.append(f"{place} is to belong to the group {group}: there is none, make it")
        try:
            fd = _open(root, package_id, path)
        except OSError:
            continue  # the file is gone or replaced: that is reported where files are compared
        try:
            status = os.fstat(fd)
        finally:
            os.close(fd)
        wrong_user = user is not None and status.st_uid != _uid(user)
        if wrong_user or (group is not None and status.st_gid != _gid(group)):
            files.append(
                {
                    "path": f"{root}/packages/{place}",
                    "package": package_id,
                    "user": user,
                    "group": group,
                    "was": _names(status),
                }
            )
    return files, reasons


def refuse_forbidden(files: list[PlannedFileOwner]) -> None:
    """Raise Denied if this process may not give one of the files away."""
    if os.geteuid() == 0:
        return
    own = {os.getegid(), *os.getgroups()}
    for each in files:
        user, group = each["user"], each["group"]
        if (user is not None and _uid(user) != os.geteuid()) or (
            group is not None and _gid(group) not in own
        ):
            owner = ":".join((user or "", group or ""))
            raise Denied(f"{each['path']}: only root can give it to {owner}: run as root")


def give(root: str, entry: PlannedFileOwner) -> None:
    """Give a file to whom it is to belong to, durably. Raises OSError, InputOutputError."""
    uid = gid = -1
    if entry["user"] is not None:
        uid = _known(_uid(entry["user"]), "user", entry["user"])
    if entry["group"] is not None:
        gid = _known(_gid(entry["group"]), "group", entry["group"])
    package_id = entry["package"]
    path = entry["path"].removeprefix(f"{root}/packages/{package_id}/")
    fd = _open(root, package_id, path)
    try:
        if stat.S_ISREG(os.fstat(fd).st_mode):
            os.fchown(fd, uid, gid)
            os.fsync(fd)
    finally:
        os.close(fd)


def take_back(root: str, entry: PlannedFileOwner) -> None:
    """Make the file this process's own again, before its user is removed: whoever gets the number
    of that user next could read it. Raises OSError."""
    package_id = entry["package"]
    path = entry["path"].removeprefix(f"{root}/packages/{package_id}/")
    try:
        fd = _open(root, package_id, path)
    except FileNotFoundError:
        return
    try:
        os.fchown(fd, os.geteuid(), os.getegid())
        os.fsync(fd)
    finally:
        os.close(fd)


def _declared(
    declared_by_id: Mapping[str, Declarations],
) -> Iterator[tuple[str, str, str | None, str | None]]:
    """Package, path, user and group of each file."""
    for package_id, declared in sorted(declared_by_id.items()):
        for path, owner in sorted(declared.get("owners", {}).items()):
            yield package_id, path, owner.get("user"), owner.get("group")


def _open(root: str, package_id: str, path: str) -> int:
    """The file of the package, through no link. Raises OSError."""
    fd = os.open(f"{root}/packages/{package_id}", ENTER)
    *parents, name = path.split("/")
    try:
        for each in parents:
            inner = os.open(each, ENTER, dir_fd=fd)
            os.close(fd)
            fd = inner
        return os.open(name, FILE, dir_fd=fd)
    finally:
        os.close(fd)


def _uid(name: str) -> int | None:
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _gid(name: str) -> int | None:
    import grp

    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def _known(number: int | None, what: str, name: str) -> int:
    if number is None:
        raise InputOutputError(f"there is no {what} {name}, though it was to be made")
    return number


def _names(status: os.stat_result) -> str:
    """`user:group` of a file, as numbers where there is no name."""
    import grp
    import pwd

    try:
        user = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        user = str(status.st_uid)
    try:
        return f"{user}:{grp.getgrgid(status.st_gid).gr_name}"
    except KeyError:
        return f"{user}:{status.st_gid}"
