"""What the kernel and the system's files say of this host, read without running any program.

No privileges are needed, nothing is sent anywhere, and nothing here waits: file systems of other
machines are named and not asked for their size. Every function raises OSError, or ValueError or
LookupError, if what it reads is not there or is not as it should be.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Value = Any  # JSON-able

# File systems that are other machines' or programs': asking one that hangs would hang, too.
REMOTE = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "9p", "virtiofs", "glusterfs"),
        *("lustre", "afs", "ocfs2", "gfs2", "beegfs", "orangefs"),
    )
)
# File systems with data on them that have no block device of their own.
DEVICELESS = REMOTE | {"btrfs", "zfs", "bcachefs"}
OVERLAYS = ("overlay", "aufs", "fuse.fuse-overlayfs")  # mostly those of containers
ESCAPES = (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\"))  # getmntent(3)
SECTOR = 512  # bytes; sysfs counts in these whatever the disk does
SCOPES = {0x00: "global", 0x10: "host", 0x20: "link", 0x40: "site"}  # of /proc/net/if_inet6
SIOCGIFCONF, SIOCGIFNETMASK = 0x8912, 0x891B  # netdevice(7)
IFREQ = 40 if os.uname().machine.endswith("64") or os.uname().machine == "s390x" else 32  # bytes
# Documentation's addresses, which should be nobody's: the way to them is the default route.
ELSEWHERE = {"ipv4": "192.0.2.1", "ipv6": "2001:db8::1"}


class Host:
    """The files of the host below the directory `top`, each read once."""

    def __init__(self, top: str = "") -> None:
        self.top = top
        self._texts: dict[str, str] = {}

    def text(self, path: str, most: int = 1 << 20) -> str:
        """The content of a file, no more than `most` bytes of it, without space around it."""
        if path not in self._texts:
            fd = os.open(self.top + path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                content = b""
                while len(content) < most and (piece := os.read(fd, most - len(content))):
                    content += piece
            finally:
                os.close(fd)
            self._texts[path] = content.decode(errors="replace").strip().replace("\0", "")
        return self._texts[path]

    def number(self, path: str) -> int:
        return int(self.text(path))

    def names(self, path: str) -> list[str]:
        """The names in a directory, sorted."""
        return sorted(os.listdir(self.top + path))  # noqa: PTH208

    def has(self, path: str) -> bool:
        return os.path.lexists(self.top + path)


def os_release(host: Host) -> dict[str, str]:
    """The assignments in os-release(5)."""
    try:
        content = host.text("/etc/os-release")
    except OSError:
        content = host.text("/usr/lib/os-release")
    found = {}
    for line in content.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            found[name] = "\\".join(each.replace("\\", "") for each in value.split("\\\\"))
    return found


def memory(host: Host, name: str) -> int:
    """A line of /proc/meminfo, in bytes."""
    for line in host.text("/proc/meminfo").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.removesuffix("kB")) * 1024
    raise LookupError(name)


def cpuinfo(host: Host) -> dict[str, str]:
    """What /proc/cpuinfo says of the first processor."""
    found: dict[str, str] = {}
    for line in host.text("/proc/cpuinfo", 1 << 13).splitlines():
        if not line.strip():
            break
        name, _, value = line.partition(":")
        found[name.strip()] = value.strip()
    return found


def boot_time(host: Host) -> str:
    """When the kernel was started: UTC, RFC 3339."""
    import time

    for line in host.text("/proc/stat").splitlines():
        if line.startswith("btime "):
            return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(line.split()[1])))
    raise LookupError("btime")


def zone(host: Host) -> str:
    """The time zone's name in the tz database; without a setting it is UTC (localtime(5))."""
    try:
        target = os.readlink(f"{host.top}/etc/localtime")  # noqa: PTH115
    except OSError:
        if host.has("/etc/timezone"):
            return host.text("/etc/timezone")
        if host.has("/etc/localtime"):
            raise LookupError("a copy of a zone does not tell its name") from None
        return "UTC"
    _, found, name = target.partition("zoneinfo/")
    if not found:
        raise LookupError(target)
    return name


def hypervisor(host: Host) -> bool:
    """Whether the processor says that a hypervisor runs it; only those of x86 do."""
    return "hypervisor" in cpuinfo(host)["flags"].split()


def container(host: Host) -> str | None:
    """The kind of container that this is, None if nothing says that it is one."""
    if host.has("/run/systemd/container"):
        return host.text("/run/systemd/container")
    for path, kind in (("/run/.containerenv", "podman"), ("/.dockerenv", "docker")):
        if host.has(path):
            return kind
    return None


def disks(host: Host) -> list[Value]:
    """The block devices that have hardware, or a hypervisor, behind them."""
    found = []
    for name in host.names("/sys/block"):
        place = f"/sys/block/{name}"
        if not host.has(f"{place}/device"):
            continue
        found.append(
            {
                "name": name,
                "bytes": _maybe(lambda p: host.number(p) * SECTOR, f"{place}/size"),
                "model": _maybe(host.text, f"{place}/device/model"),
                "rotational": _maybe(lambda p: bool(host.number(p)), f"{place}/queue/rotational"),
                "read_only": _maybe(lambda p: bool(host.number(p)), f"{place}/ro"),
            }
        )
    return found


def mounts(host: Host) -> list[Value]:
    """The file systems with data on them, each once, where it is mounted with the shortest path;
    of an overlay only the root."""
    found: dict[str, Value] = {}
    for line in host.text("/proc/self/mountinfo", 1 << 22).splitlines():
        fields = line.split(" ")
        dash = fields.index("-", 6)
        device, path, options = fields[2], _unescaped(fields[4]), fields[5]
        kind, source = fields[dash + 1], _unescaped(fields[dash + 2])
        remote = kind in REMOTE or kind.startswith("fuse")
        if kind in OVERLAYS:
            kept = path == "/"
        elif remote:
            kept = kind != "fuse"
        else:  # a file that is mounted, as containers have some, is none
            kept = kind in DEVICELESS or not device.startswith("0:")
            kept = kept and os.path.isdir(host.top + path)  # noqa: PTH112
        if not kept:
            continue
        # btrfs gives every subvolume a number of its own.
        key = source if kind in ("btrfs", "bcachefs") else device
        if key in found and len(found[key]["path"]) <= len(path):
            continue
        found[key] = {
            "path": path,
            "device": source,
            "type": kind,
            "read_only": "ro" in options.split(","),
            **({"bytes": None, "available": None} if remote else _space(host.top + path)),
        }
    return sorted(found.values(), key=lambda each: str(each["path"]))


def _space(path: str) -> dict[str, int | None]:
    try:
        status = os.statvfs(path)
    except OSError:
        return {"bytes": None, "available": None}
    return {
        "bytes": status.f_blocks * status.f_frsize,
        "available": status.f_bavail * status.f_frsize,
    }


def interfaces(host: Host) -> list[Value]:
    """The network interfaces with their addresses."""
    addresses: dict[str, list[Value]] = {}
    for name, entry in [*_ipv4(), *_ipv6(host)]:
        addresses.setdefault(name, []).append(entry)
    try:
        names = [
            name for name in host.names("/sys/class/net") if host.has(f"/sys/class/net/{name}/mtu")
        ]
    except OSError:
        names = sorted(addresses)
    return [
        {
            "name": name,
            "mac": _maybe(host.text, f"/sys/class/net/{name}/address") or None,
            "mtu": _maybe(host.number, f"/sys/class/net/{name}/mtu"),
            "state": _maybe(host.text, f"/sys/class/net/{name}/operstate"),
            "addresses": addresses.get(name, []),
        }
        for name in names
    ]


def source_address(family: str) -> str | None:
    """The address that packets for the rest of the world leave with, None without a way to it.

    Connecting a datagram socket chooses it and sends nothing.
    """
    import socket

    kind = socket.AF_INET if family == "ipv4" else socket.AF_INET6
    try:
        with socket.socket(kind, socket.SOCK_DGRAM) as asked:
            asked.connect((ELSEWHERE[family], 9))
            return str(asked.getsockname()[0])
    except OSError:
        return None


def _ipv4() -> list[tuple[str, Value]]:
    """Of all interfaces, by ioctl; an address that was given a label stays with its interface."""
    import array
    import fcntl
    import socket
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        room = 64 * IFREQ
        while True:
            buffer = array.array("B", bytes(room))
            ask = struct.pack("iP", room, buffer.buffer_info()[0])
            size = struct.unpack("iP", fcntl.ioctl(asked, SIOCGIFCONF, ask))[0]
            if size + IFREQ <= room:
                break
            room *= 2
        told = buffer.tobytes()[:size]
        found = []
        for at in range(0, size, IFREQ):
            request = told[at : at + IFREQ]
            # With the address in the request, the kernel answers for this one of the interface's.
            mask = fcntl.ioctl(asked, SIOCGIFNETMASK, request)[20:24]
            address = socket.inet_ntop(socket.AF_INET, request[20:24])
            name = request[:16].split(b"\0")[0].decode(errors="replace").partition(":")[0]
            found.append(
                (
                    name,
                    {
                        "family": "ipv4",
                        "address": address,
                        "prefix": int.from_bytes(mask).bit_count(),
                        "scope": _ipv4_scope(address),
                    },
                )
            )
        return found


def _ipv4_scope(address: str) -> str:
    if address.startswith("127."):
        return "host"
    return "link" if address.startswith("169.254.") else "global"


def _ipv6(host: Host) -> list[tuple[str, Value]]:
    import socket

    try:
        lines = host.text("/proc/net/if_inet6").splitlines()
    except FileNotFoundError:
        return []  # the kernel has no IPv6
    found = []
    for line in lines:
        digits, _, prefix, scope, _, name = line.split()
        found.append(
            (
                name,
                {
                    "family": "ipv6",
                    "address": socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits)),
                    "prefix": int(prefix, 16),
                    "scope": SCOPES.get(int(scope, 16), "global"),
                },
            )
        )
    return sorted(found, key=lambda each: str(each[1]["address"]))


def _unescaped(word: str) -> str:
    for escaped, character in ESCAPES:
        word = word.replace(escaped, character)
    return word


def _maybe(find: Any, path: str) -> Value:
    """What `find` makes of the path; None if it can't be known."""
    try:
        return find(path)
    except (OSError, ValueError):
        return None
