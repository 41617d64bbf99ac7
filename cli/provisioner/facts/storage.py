"""Disks and mounted file systems.

Nothing here waits: file systems of other machines are listed and not asked for their size. Raises
OSError, ValueError or LookupError if a file is not there or is not as it should be.
"""

from __future__ import annotations

import os

from provisioner.facts.system_files import value_or_none

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    from provisioner.facts.system_files import SystemFiles

    class Disk(TypedDict):
        """None: not known."""

        name: str
        bytes: int | None
        model: str | None
        rotational: bool | None
        read_only: bool | None

    class Space(TypedDict):
        """None: not known, or not asked for."""

        bytes: int | None
        available: int | None

    class Mount(Space):
        path: str
        device: str
        type: str
        read_only: bool


# File systems that are other machines' or programs': asking one that hangs would hang, too.
REMOTE_TYPES = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "9p", "virtiofs", "glusterfs"),
        *("lustre", "afs", "ocfs2", "gfs2", "beegfs", "orangefs"),
    )
)
# File systems with data on them that have no block device of their own.
DEVICELESS_TYPES = REMOTE_TYPES | {"btrfs", "zfs", "bcachefs"}
OVERLAY_TYPES = ("overlay", "aufs", "fuse.fuse-overlayfs")  # mostly those of containers
ESCAPES = (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\"))  # getmntent(3)
SECTOR_BYTES = 512  # sysfs counts in these whatever the disk does
MAX_MOUNTINFO_BYTES = 1 << 22
UNKNOWN_SPACE: Space = {"bytes": None, "available": None}


def disks(files: SystemFiles) -> list[Disk]:
    """The block devices that have hardware, or a hypervisor, behind them."""
    found: list[Disk] = []
    for name in files.names("/sys/block"):
        place = f"/sys/block/{name}"
        if not files.has(f"{place}/device"):
            continue
        found.append(
            {
                "name": name,
                "bytes": value_or_none(lambda p: files.number(p) * SECTOR_BYTES, f"{place}/size"),
                "model": value_or_none(files.text, f"{place}/device/model"),
                "rotational": value_or_none(
                    lambda p: bool(files.number(p)), f"{place}/queue/rotational"
                ),
                "read_only": value_or_none(lambda p: bool(files.number(p)), f"{place}/ro"),
            }
        )
    return found


def mounts(files: SystemFiles) -> list[Mount]:
    """The file systems with data on them, each once, where it is mounted with the shortest path;
    of an overlay only the root."""
    found: dict[str, Mount] = {}
    for line in files.text("/proc/self/mountinfo", MAX_MOUNTINFO_BYTES).splitlines():
        fields = line.split(" ")
        dash = fields.index("-", 6)
        device, path, options = fields[2], _unescaped(fields[4]), fields[5]
        kind, source = fields[dash + 1], _unescaped(fields[dash + 2])
        remote = kind in REMOTE_TYPES or kind.startswith("fuse")
        if kind in OVERLAY_TYPES:
            kept = path == "/"
        elif remote:
            kept = kind != "fuse"
        else:  # a file that is mounted, as containers have some, is none
            kept = kind in DEVICELESS_TYPES or not device.startswith("0:")
            kept = kept and os.path.isdir(files.top + path)  # noqa: PTH112
        if not kept:
            continue
        # btrfs gives every subvolume a number of its own.
        key = source if kind in ("btrfs", "bcachefs") else device
        if key in found and len(found[key]["path"]) <= len(path):
            continue
        space = UNKNOWN_SPACE if remote else _space(files.top + path)
        found[key] = {
            "path": path,
            "device": source,
            "type": kind,
            "read_only": "ro" in options.split(","),
            "bytes": space["bytes"],
            "available": space["available"],
        }
    return sorted(found.values(), key=lambda each: each["path"])


def _space(path: str) -> Space:
    try:
        status = os.statvfs(path)
    except OSError:
        return UNKNOWN_SPACE
    return {
        "bytes": status.f_blocks * status.f_frsize,
        "available": status.f_bavail * status.f_frsize,
    }


def _unescaped(word: str) -> str:
    for escaped, character in ESCAPES:
        word = word.replace(escaped, character)
    return word
