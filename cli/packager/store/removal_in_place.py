"""Removing a package where it is, for file systems that can't rename its directory.

A store that came with an image is in a lower layer of an overlay file system, which renames no
directory of such a layer (EXDEV; the kernel's overlayfs.rst, "redirect_dir"). There a copy of the
tree takes the way of every tree that leaves packages/, and the tree itself is deleted file by file.
A note in the writer's staging directory, durable before the first of them goes, has the next writer
finish what was interrupted; until then the package is incomplete.
"""

from __future__ import annotations

import os
from contextlib import suppress

from packager.base import durable_files
from packager.base.digest import sha256
from packager.generations import link_tree

NOTE_OF = "removing-"  # begins the name of a note, which has the id


def begin(package_id: str, packages: int, staging: int) -> None:
    """Copy the tree to the writer's directory `staging`, which is on the disk, and write down that
    the package is being removed; all durably. Raises OSError."""
    link_tree.copy_durably(package_id, packages, package_id, staging)
    content = package_id.encode()
    name = NOTE_OF + sha256(content)[:32]
    durable_files.write_new_file(name, staging, content, sync=True)
    os.fsync(staging)


def begun(staging: int) -> list[str]:
    """The ids of the packages that the writer of this staging directory was removing. Raises
    OSError."""
    found = []
    for name in os.listdir(staging):
        if name.startswith(NOTE_OF):
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=staging)
            with open(fd, "rb") as file:  # noqa: PTH123
                content = file.read()
            if name == NOTE_OF + sha256(content)[:32]:  # else the writer has not come to the end
                found.append(content.decode())
    return found


def carry_out(package_id: str, packages: int, manifests: int) -> None:
    """Delete the tree, then the record; what has gone already is no error. The caller holds
    ROOT/lock. Raises OSError."""
    durable_files.remove_tree(package_id, packages)
    os.fsync(packages)
    with suppress(FileNotFoundError):
        os.unlink(package_id, dir_fd=manifests)
    os.fsync(manifests)
