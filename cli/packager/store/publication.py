"""A tree and its record, complete in staging, become those of an installed package: by renames, in
the order that `store` tells of. Callers hold ROOT/lock."""

from __future__ import annotations

import os

from packager.base import durable_files
from packager.base.durable_files import opened
from packager.store.incoming_archive import RECORD, TREE
from packager.store.write_session import is_there, move, record_name

ADD_AGAIN = "deactivate it, remove it, and add it again"


def publish(package_id: str, root_fd: int, staging_fd: int) -> None:
    """Make the synced `record` and `tree` in staging the package. The caller holds the lock and
    knows that there is none. Raises OSError."""
    with opened("manifests", root_fd) as manifests, opened("packages", root_fd) as packages:
        try:
            os.rename(RECORD, package_id, src_dir_fd=staging_fd, dst_dir_fd=manifests)
            os.fsync(manifests)
            move(TREE, staging_fd, package_id, packages)
        except BaseException:  # a signal may come between any two of these
            if not is_there(package_id, packages):
                _unlink(package_id, manifests)
            raise


def renew(package_id: str, root_fd: int, staging_fd: int, *, record: bool) -> None:
    """Put the synced `tree` in staging in the place of the package's, and (record) the `record`
    there in the place of its own. The caller holds the lock. After an error nothing has changed, or
    the record alone. Raises OSError."""
    with opened("manifests", root_fd) as manifests, opened("packages", root_fd) as packages:
        _copy_record(package_id, staging_fd, manifests, believed=not record)
        if record:
            os.rename(RECORD, package_id, src_dir_fd=staging_fd, dst_dir_fd=manifests)
            os.fsync(manifests)
        os.rename(TREE, package_id, src_dir_fd=staging_fd, dst_dir_fd=staging_fd)
        os.fsync(staging_fd)
        try:
            durable_files.exchange(package_id, staging_fd, package_id, packages, remedy=ADD_AGAIN)
        except FileNotFoundError:  # somebody has taken the whole tree away
            move(package_id, staging_fd, package_id, packages)
            return
        if not record:  # the record is as old as the tree, for who asks what was touched since
            written = os.stat(RECORD, dir_fd=staging_fd)
            times = (written.st_atime_ns, written.st_mtime_ns)
            os.utime(package_id, ns=times, dir_fd=manifests, follow_symlinks=False)
        try:
            os.fsync(packages)
            os.fsync(staging_fd)
        except OSError:
            durable_files.exchange(package_id, staging_fd, package_id, packages, remedy=ADD_AGAIN)
            raise


def _copy_record(package_id: str, staging: int, manifests: int, *, believed: bool) -> None:
    """Put a copy of the new record, with the time of the one that the package has, beside it.
    believed: that time is true; else no file of the old tree counts as untouched."""
    with open(
        RECORD, "rb", opener=lambda name, flags: os.open(name, flags, dir_fd=staging)
    ) as file:
        content = file.read()
    since = os.stat(package_id, dir_fd=manifests).st_mtime_ns if believed else 0
    name = record_name(package_id)
    durable_files.write_new_file(name, staging, content, mode=0o600, sync=True)
    os.utime(name, ns=(since, since), dir_fd=staging)


def _unlink(name: str, parent: int) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return
