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
from packager.generations import link_tree
from packager.package.package_id import flaw

NOTE = ".removing"  # ends the name of a note; no id has it in this place


def begin(package_id: str, packages: int, staging: int, taken: int) -> None:
    """Copy the tree to the directory `taken`, and write down that the package is being removed; all
    durably. staging: the writer's directory, which is on the disk. Raises OSError."""
    link_tree.copy_durably(package_id, packages, package_id, taken)
    durable_files.write_new_file(f"{package_id}{NOTE}", staging, b"", sync=True)
    os.fsync(staging)


def begun(staging: int) -> list[str]:
    """The ids of the packages that the writer of this staging directory was removing. Raises
    OSError."""
    names = (name.removesuffix(NOTE) for name in os.listdir(staging) if name.endswith(NOTE))
    return [name for name in names if not flaw(name)]


def carry_out(package_id: str, packages: int, manifests: int) -> None:
    """Delete the tree, then the record; what has gone already is no error. The caller holds
    ROOT/lock. Raises OSError."""
    durable_files.remove_tree(package_id, packages)
    os.fsync(packages)
    with suppress(FileNotFoundError):
        os.unlink(package_id, dir_fd=manifests)
    os.fsync(manifests)
