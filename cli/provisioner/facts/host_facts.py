"""The host facts: each with its name, what it means, and where it is taken from.

FACTS is the whole list; docs/provisioner.md has the same as a table. A fact that can't be found out
is null, and its name is in `missing`. Some facts are for templates too: those that stay as they are
from one minute to the next, since a template that shows another value is another configuration.
"""

from __future__ import annotations

import os
from functools import partial

from provisioner.facts import control_groups, network, operating_system, storage
from provisioner.facts.system_files import SystemFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from packager.api import HostOptions

    Find = Callable[[SystemFiles], object]  # JSON-able


class Fact:
    """One value of the inventory. name: with a dot where it is in an object. what, source: its
    meaning and where it is taken from, as the manual has them. stable: templates see it."""

    __slots__ = ("find", "name", "source", "stable", "what")

    def __init__(
        self, name: str, what: str, source: str, find: Find, *, stable: bool = True
    ) -> None:
        self.name = name
        self.what = what
        self.source = source
        self.find = find
        self.stable = stable


def _release(key: str) -> Find:
    return lambda files: operating_system.os_release(files)[key]


def _memory(key: str) -> Find:
    return lambda files: operating_system.memory_bytes(files, key)


FACTS: tuple[Fact, ...] = (
    Fact("hostname", "the host's name", "`uname(2)`", lambda _: os.uname().nodename),
    Fact("architecture", "such as `x86_64`", "`uname(2)`", lambda _: os.uname().machine),
    Fact("kernel.name", "`Linux`", "`uname(2)`", lambda _: os.uname().sysname),
    Fact("kernel.release", "its version", "`uname(2)`", lambda _: os.uname().release),
    Fact("kernel.version", "its build", "`uname(2)`", lambda _: os.uname().version),
    Fact("system.id", "such as `debian`", "`ID` in `/etc/os-release`", _release("ID")),
    Fact(
        "system.version",
        "such as `12`; missing where a system has none",
        "`VERSION_ID` in `/etc/os-release`",
        _release("VERSION_ID"),
    ),
    Fact(
        "system.name",
        "name and version for people",
        "`PRETTY_NAME` in `/etc/os-release`",
        _release("PRETTY_NAME"),
    ),
    Fact(
        "boot.id",
        "another one after every boot",
        "`/proc/sys/kernel/random/boot_id`",
        lambda files: files.text("/proc/sys/kernel/random/boot_id"),
        stable=False,
    ),
    Fact(
        "boot.time",
        "UTC, RFC 3339",
        "`btime` in `/proc/stat`",
        operating_system.boot_time,
        stable=False,
    ),
    Fact(
        "cpus.online",
        "how many processors the kernel uses",
        "`sysconf(3)`, `_SC_NPROCESSORS_ONLN`",
        lambda _: os.sysconf("SC_NPROCESSORS_ONLN"),
    ),
    Fact(
        "cpus.usable",
        "how many of them this process may use",
        "`sched_getaffinity(2)`",
        lambda _: len(os.sched_getaffinity(0)),
    ),
    Fact(
        "cpus.model",
        "the first one's name; missing where the kernel tells none (ARM)",
        "`model name` in `/proc/cpuinfo`",
        lambda files: operating_system.cpuinfo(files)["model name"],
    ),
    Fact("memory.total", "bytes", "`MemTotal` in `/proc/meminfo`", _memory("MemTotal")),
    Fact(
        "memory.available",
        "bytes that could be used without swapping",
        "`MemAvailable` in `/proc/meminfo`",
        _memory("MemAvailable"),
        stable=False,
    ),
    Fact("memory.swap", "bytes", "`SwapTotal` in `/proc/meminfo`", _memory("SwapTotal")),
    Fact(
        "limits.cpus",
        "how many processors' time the container that this is may use; null: as much as there is",
        "`cpu.max`, or `cpu.cfs_quota_us`, at the top of `/sys/fs/cgroup`",
        control_groups.cpus,
    ),
    Fact(
        "limits.memory",
        "bytes that it may use; the same",
        "`memory.max`, or `memory.limit_in_bytes`",
        control_groups.memory,
    ),
    Fact(
        "limits.processes",
        "how many processes and threads it may have; the same",
        "`pids.max`",
        control_groups.processes,
    ),
    Fact(
        "disks",
        "a list: `name`, `bytes`, `model`, `rotational`, `read_only`; no partitions, loops, "
        "volumes",
        "`/sys/block`, those with a `device`",
        storage.disks,
    ),
    Fact(
        "mounts",
        "a list: `path`, `device`, `type`, `read_only`, `bytes` and `available` (null for file "
        "systems of other machines, which are not asked)",
        "`/proc/self/mountinfo`, `statvfs(3)`",
        storage.mounts,
        stable=False,
    ),
    Fact(
        "address.ipv4",
        "the address that packets for elsewhere leave with; null without a way there",
        "`connect(2)` of a datagram socket, which sends nothing",
        lambda _: network.source_address("ipv4"),
    ),
    Fact(
        "address.ipv6",
        "the same",
        "the same",
        lambda _: network.source_address("ipv6"),
    ),
    Fact(
        "interfaces",
        "a list: `name`, `mac`, `mtu`, `state`, and `addresses`, a list of `family` (`ipv4`, "
        "`ipv6`), `address`, `prefix`, `scope` (`global`, `link`, `host`)",
        "`/sys/class/net`, `SIOCGIFCONF` and `SIOCGIFNETMASK` of `netdevice(7)`, "
        "`/proc/net/if_inet6`",
        network.interfaces,
        stable=False,
    ),
    Fact(
        "time_zone",
        "its name in the tz database, such as `Europe/Berlin`",
        "the link `/etc/localtime`, else `/etc/timezone`",
        operating_system.time_zone,
    ),
    Fact(
        "virtual.container",
        "such as `docker`; null if nothing says that this is a container",
        "`/run/systemd/container`, `/run/.containerenv`, `/.dockerenv`",
        operating_system.container,
    ),
    Fact(
        "virtual.hypervisor",
        "whether this is a virtual machine; missing on other processors than x86",
        "`flags` in `/proc/cpuinfo`",
        operating_system.hypervisor,
    ),
    Fact(
        "virtual.vendor",
        "who made the machine, or the hypervisor; missing without firmware tables",
        "`/sys/class/dmi/id/sys_vendor`",
        lambda files: files.text("/sys/class/dmi/id/sys_vendor"),
    ),
    Fact(
        "virtual.product",
        "what they call it; the same",
        "`/sys/class/dmi/id/product_name`",
        lambda files: files.text("/sys/class/dmi/id/product_name"),
    ),
)
# What is known of the host's part in provisioning; found in the store, not in SystemFiles.
STORE_FACTS: tuple[tuple[str, str, str], ...] = (
    ("roles", "the roles that are set for this host", "the files in `roles` of `--config-dir`"),
    (
        "active",
        "null, or the active set: `generation`, `roles`, `packages`",
        "`ROOT/active/generation.json`",
    ),
    (
        "profile",
        "null, or the applied profile: `name`, `run`, `time`",
        "`ROOT/provisioner/applied/record.json`",
    ),
    (
        "rollout",
        "null, or what is known of rollouts: `revision` and `rollout` of the applied profile, "
        "`fence` and `holder`, the last `request`",
        "the same, and `ROOT/provisioner/rollouts/state.json`",
    ),
)


def gather_facts(root: str, options: HostOptions) -> dict[str, object]:
    """The whole inventory, with `missing` at its end: the names of what can't be found out, which
    is null and no error."""
    missing: list[str] = []
    found = _find_all(FACTS, SystemFiles(), missing)
    found["roles"] = _value("roles", partial(_roles, options), missing)
    found["active"] = _value("active", partial(_active, root), missing)
    found["profile"] = _value("profile", partial(_profile, root), missing)
    found["rollout"] = _value("rollout", partial(_rollout, root), missing)
    found["missing"] = missing
    return found


def template_facts() -> dict[str, object]:
    """The facts that templates see: those that are stable. What can't be found out is null."""
    return _find_all((fact for fact in FACTS if fact.stable), SystemFiles(), [])


def _find_all(facts: Iterable[Fact], files: SystemFiles, missing: list[str]) -> dict[str, object]:
    document: dict[str, object] = {}
    groups: dict[str, dict[str, object]] = {}
    for fact in facts:
        value = _value(fact.name, partial(fact.find, files), missing)
        top, dot, inner = fact.name.partition(".")
        if not dot:
            document[top] = value
            continue
        if top not in groups:
            groups[top] = document[top] = {}
        groups[top][inner] = value
    return document


def _value(name: str, find: Callable[[], object], missing: list[str]) -> object:
    from packager.base.errors import PackagerError

    try:
        return find()
    except (OSError, ValueError, LookupError, PackagerError):
        missing.append(name)
        return None


def _roles(options: HostOptions) -> object:
    return list(options.roles())


def _active(root: str) -> object:
    from packager.api import active_generation

    active = active_generation(root)
    if active is None:
        return None
    return {
        "generation": active.number,
        "roles": list(active.roles),
        "packages": list(active.packages),
    }


def _profile(root: str) -> object:
    from provisioner.runs import reader

    run = reader.applied_run(root)
    if run is None:
        return None
    return {"name": run.profile_name, "run": run.number, "time": run.record["time"]}


def _rollout(root: str) -> object:
    from provisioner.runs import reader
    from provisioner.runs.rollout_state import told_state

    run, told = reader.applied_run(root), told_state(root)
    revision = None if run is None else run.record.get("revision")
    rollout = None if run is None else run.record.get("rollout")
    if rollout is None and told["holder"] is None and told["request"] is None:
        return None
    return {"revision": revision, "rollout": rollout, **told}
