"""Network interfaces and addresses. Nothing is sent anywhere.

Raises OSError, ValueError or LookupError if a file is not there or is not as it should be.
"""

from __future__ import annotations

import os

from provisioner.facts.system_files import value_or_none

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    from provisioner.facts.system_files import SystemFiles

    class Address(TypedDict):
        """family: ipv4 or ipv6. scope: global, link, host."""

        family: str
        address: str
        prefix: int
        scope: str

    class Interface(TypedDict):
        """None: not known."""

        name: str
        mac: str | None
        mtu: int | None
        state: str | None
        addresses: list[Address]


IPV6_SCOPES = {0x00: "global", 0x10: "host", 0x20: "link", 0x40: "site"}  # of /proc/net/if_inet6
SIOCGIFCONF, SIOCGIFNETMASK = 0x8912, 0x891B  # netdevice(7)
IFREQ_BYTES = 40 if os.uname().machine.endswith("64") or os.uname().machine == "s390x" else 32
# Addresses for documentation (RFC 5737, RFC 3849): the route to them is the default route.
REMOTE_ADDRESSES = {"ipv4": "192.0.2.1", "ipv6": "2001:db8::1"}


def interfaces(files: SystemFiles) -> list[Interface]:
    """The network interfaces with their addresses."""
    addresses: dict[str, list[Address]] = {}
    for name, entry in [*_ipv4_addresses(), *_ipv6_addresses(files)]:
        addresses.setdefault(name, []).append(entry)
    try:
        names = [
            name
            for name in files.names("/sys/class/net")
            if files.has(f"/sys/class/net/{name}/mtu")
        ]
    except OSError:
        names = sorted(addresses)
    return [
        {
            "name": name,
            "mac": value_or_none(files.text, f"/sys/class/net/{name}/address") or None,
            "mtu": value_or_none(files.number, f"/sys/class/net/{name}/mtu"),
            "state": value_or_none(files.text, f"/sys/class/net/{name}/operstate"),
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
        with socket.socket(kind, socket.SOCK_DGRAM) as probe:
            probe.connect((REMOTE_ADDRESSES[family], 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def _ipv4_addresses() -> list[tuple[str, Address]]:
    """Of all interfaces, by ioctl; an address that was given a label stays with its interface."""
    import array
    import fcntl
    import socket
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        room = 64 * IFREQ_BYTES
        while True:
            buffer = array.array("B", bytes(room))
            ask = struct.pack("iP", room, buffer.buffer_info()[0])
            size = struct.unpack("iP", fcntl.ioctl(probe, SIOCGIFCONF, ask))[0]
            if size + IFREQ_BYTES <= room:
                break
            room *= 2
        requests = buffer.tobytes()[:size]
        found: list[tuple[str, Address]] = []
        for at in range(0, size, IFREQ_BYTES):
            request = requests[at : at + IFREQ_BYTES]
            # With the address in the request, the kernel answers for this one of the interface's.
            mask = fcntl.ioctl(probe, SIOCGIFNETMASK, request)[20:24]
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


def _ipv6_addresses(files: SystemFiles) -> list[tuple[str, Address]]:
    import socket

    try:
        lines = files.text("/proc/net/if_inet6").splitlines()
    except FileNotFoundError:
        return []  # the kernel has no IPv6
    found: list[tuple[str, Address]] = []
    for line in lines:
        digits, _, prefix, scope, _, name = line.split()
        found.append(
            (
                name,
                {
                    "family": "ipv6",
                    "address": socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits)),
                    "prefix": int(prefix, 16),
                    "scope": IPV6_SCOPES.get(int(scope, 16), "global"),
                },
            )
        )
    return sorted(found, key=lambda each: each[1]["address"])
