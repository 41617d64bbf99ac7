"""Operating system, memory, processors, time zone, virtualization, as the kernel's and the system's
files tell.

Every function raises OSError, or ValueError
or LookupError, if what it reads is not there or is not as it should be.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from provisioner.facts.system_files import SystemFiles

MAX_CPUINFO_BYTES = 1 << 13  # the first processor's part


def os_release(files: SystemFiles) -> dict[str, str]:
    """The assignments in os-release(5)."""
    try:
        content = files.text("/etc/os-release")
    except OSError:
        content = files.text("/usr/lib/os-release")
    found = {}
    for line in content.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            found[name] = "\\".join(each.replace("\\", "") for each in value.split("\\\\"))
    return found


def memory_bytes(files: SystemFiles, name: str) -> int:
    """A line of /proc/meminfo, in bytes."""
    for line in files.text("/proc/meminfo").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.removesuffix("kB")) * 1024
    raise LookupError(name)


def cpuinfo(files: SystemFiles) -> dict[str, str]:
    """What /proc/cpuinfo says of the first processor."""
    found: dict[str, str] = {}
    for line in files.text("/proc/cpuinfo", MAX_CPUINFO_BYTES).splitlines():
        if not line.strip():
            break
        name, _, value = line.partition(":")
        found[name.strip()] = value.strip()
    return found


def boot_time(files: SystemFiles) -> str:
    """When the kernel was started: UTC, RFC 3339."""
    import time

    for line in files.text("/proc/stat").splitlines():
        if line.startswith("btime "):
            return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(line.split()[1])))
    raise LookupError("btime")


def time_zone(files: SystemFiles) -> str:
    """The time zone's name in the tz database; without a setting it is UTC (localtime(5))."""
    try:
        target = os.readlink(f"{files.top}/etc/localtime")  # noqa: PTH115
    except OSError:
        if files.has("/etc/timezone"):
            return files.text("/etc/timezone")
        if files.has("/etc/localtime"):
            raise LookupError("a copy of a zone does not tell its name") from None
        return "UTC"
    _, found, name = target.partition("zoneinfo/")
    if not found:
        raise LookupError(target)
    return name


def hypervisor(files: SystemFiles) -> bool:
    """Whether the processor says that a hypervisor runs it; only those of x86 do."""
    return "hypervisor" in cpuinfo(files)["flags"].split()


def container(files: SystemFiles) -> str | None:
    """The kind of container that this is, None if nothing says that it is one."""
    if files.has("/run/systemd/container"):
        return files.text("/run/systemd/container")
    for path, kind in (("/run/.containerenv", "podman"), ("/.dockerenv", "docker")):
        if files.has(path):
            return kind
    return None
