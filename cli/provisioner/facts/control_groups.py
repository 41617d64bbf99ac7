"""The limits that a container runtime has set for this whole host, if it is a container.

They are those of the root of the control groups as they are seen from here (cgroups(7)): a
container's own, the same for whichever process asks. A real host's root has none. Raises OSError,
ValueError or LookupError if a file is not there or is not as it should be.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from provisioner.facts.system_files import SystemFiles

TOP = "/sys/fs/cgroup"
UNLIMITED = "max"
# Version 1 writes the largest multiple of a page for no limit; no host has half of that.
MAX_MEMORY_BYTES = 1 << 62


def cpus(files: SystemFiles) -> float | None:
    """How many processors' time all processes may use together; None: there is no limit."""
    if files.has(f"{TOP}/cgroup.controllers"):
        text = _text(files, f"{TOP}/cpu.max")
        quota, _, period = (text or UNLIMITED).partition(" ")
        return None if quota == UNLIMITED else int(quota) / int(period)
    directory = f"{TOP}/cpu"
    text = _text(files, f"{directory}/cpu.cfs_quota_us")
    if text is None or int(text) <= 0:
        return None
    return int(text) / files.number(f"{directory}/cpu.cfs_period_us")


def memory(files: SystemFiles) -> int | None:
    """Bytes of memory that all processes may use together; None: there is no limit."""
    found = _number(files, f"{TOP}/memory.max", f"{TOP}/memory/memory.limit_in_bytes")
    return None if found is None or found > MAX_MEMORY_BYTES else found


def processes(files: SystemFiles) -> int | None:
    """How many processes and threads there may be; None: there is no limit."""
    return _number(files, f"{TOP}/pids.max", f"{TOP}/pids/pids.max")


def _number(files: SystemFiles, second_version: str, first_version: str) -> int | None:
    is_second = files.has(f"{TOP}/cgroup.controllers")
    text = _text(files, second_version if is_second else first_version)
    return None if text is None or text == UNLIMITED else int(text)


def _text(files: SystemFiles, path: str) -> str | None:
    """The content of a file; None: it is not there, as in the root of a real host."""
    return files.text(path) if files.has(path) else None
