"""What this host is: every fact with its name, what it means, and where it is taken from.

FACTS is the whole list; docs/provisioner.md has the same as a table. A fact that can't be found out
is null, and its name is in `missing`. Some facts are for templates too: those that stay as they are
from one minute to the next, since a template that shows another value is another configuration.
"""

from __future__ import annotations

import os
from functools import partial

from provisioner.facts import system_information
from provisioner.facts.system_information import Host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from packager.host.options import HostOptions

    from provisioner.facts.system_information import Value

    Find = Callable[[Host], Value]


class Fact:
    """One value of the inventory. `name` has a dot where it is in an object; `steady`: templates
    see it."""

    __slots__ = ("find", "name", "source", "steady", "what")

    def __init__(
        self, name: str, what: str, source: str, find: Find, *, steady: bool = True
    ) -> None:
        self.name = name
        self.what = what
        self.source = source
        self.find = find
        self.steady = steady


def _release(key: str) -> Find:
    return lambda host: system_information.os_release(host)[key]


def _memory(key: str) -> Find:
    return lambda host: system_information.memory(host, key)


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
        lambda host: host.text("/proc/sys/kernel/random/boot_id"),
        steady=False,
    ),
    Fact(
        "boot.time",
        "UTC, RFC 3339",
        "`btime` in `/proc/stat`",
        system_information.boot_time,
        steady=False,
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
        lambda host: system_information.cpuinfo(host)["model name"],
    ),
    Fact("memory.total", "bytes", "`MemTotal` in `/proc/meminfo`", _memory("MemTotal")),
    Fact(
        "memory.available",
        "bytes that could be used without swapping",
        "`MemAvailable` in `/proc/meminfo`",
        _memory("MemAvailable"),
        steady=False,
    ),
    Fact("memory.swap", "bytes", "`SwapTotal` in `/proc/meminfo`", _memory("SwapTotal")),
    Fact(
        "disks",
        "a list: `name`, `bytes`, `model`, `rotational`, `read_only`; no partitions, loops, "
        "volumes",
        "`/sys/block`, those with a `device`",
        system_information.disks,
    ),
    Fact(
        "mounts",
        "a list: `path`, `device`, `type`, `read_only`, `bytes` and `available` (null for file "
        "systems of other machines, which are not asked)",
        "`/proc/self/mountinfo`, `statvfs(3)`",
        system_information.mounts,
        steady=False,
    ),
    Fact(
        "address.ipv4",
        "the address that packets for elsewhere leave with; null without a way there",
        "`connect(2)` of a datagram socket, which sends nothing",
        lambda _: system_information.source_address("ipv4"),
    ),
    Fact(
        "address.ipv6",
        "the same",
        "the same",
        lambda _: system_information.source_address("ipv6"),
    ),
    Fact(
        "interfaces",
        "a list: `name`, `mac`, `mtu`, `state`, and `addresses`, a list of `family` (`ipv4`, "
        "`ipv6`), `address`, `prefix`, `scope` (`global`, `link`, `host`)",
        "`/sys/class/net`, `SIOCGIFCONF` and `SIOCGIFNETMASK` of `netdevice(7)`, "
        "`/proc/net/if_inet6`",
        system_information.interfaces,
        steady=False,
    ),
    Fact(
        "time_zone",
        "its name in the tz database, such as `Europe/Berlin`",
        "the link `/etc/localtime`, else `/etc/timezone`",
        system_information.zone,
    ),
    Fact(
        "virtual.container",
        "such as `docker`; null if nothing says that this is a container",
        "`/run/systemd/container`, `/run/.containerenv`, `/.dockerenv`",
        system_information.container,
    ),
    Fact(
        "virtual.hypervisor",
        "whether this is a virtual machine; missing on other processors than x86",
        "`flags` in `/proc/cpuinfo`",
        system_information.hypervisor,
    ),
    Fact(
        "virtual.vendor",
        "who made the machine, or the hypervisor; missing without firmware tables",
        "`/sys/class/dmi/id/sys_vendor`",
        lambda host: host.text("/sys/class/dmi/id/sys_vendor"),
    ),
    Fact(
        "virtual.product",
        "what they call it; the same",
        "`/sys/class/dmi/id/product_name`",
        lambda host: host.text("/sys/class/dmi/id/product_name"),
    ),
)
# What is known of the host's part in provisioning; found in the store, not by Host.
STORE_FACTS: tuple[tuple[str, str, str], ...] = (
    ("roles", "the roles that are set for this host", "the files in `roles` of `--config-dir`"),
    (
        "active",
        "null, or the active set: `generation`, `roles`, `packages`",
        "`ROOT/active/generation.json`",
    ),
    (
        "profile",
        "null, or what the host is held to: `name`, `run`, `time`",
        "`ROOT/provisioner/applied/record.json`",
    ),
)


def gather(root: str, options: HostOptions) -> dict[str, Value]:
    """The whole inventory, with `missing` at its end. `options` has config_dir. Raises nothing that
    this host could be the reason of."""
    missing: list[str] = []
    found = _found(FACTS, Host(), missing)
    found["roles"] = _value("roles", partial(_roles, options), missing)
    found["active"] = _value("active", partial(_active, root), missing)
    found["profile"] = _value("profile", partial(_profile, root), missing)
    found["missing"] = missing
    return found


def for_templates() -> dict[str, Value]:
    """The facts that templates see: those that are steady. What can't be found out is null."""
    return _found((fact for fact in FACTS if fact.steady), Host(), [])


def _found(facts: Iterable[Fact], host: Host, missing: list[str]) -> dict[str, Value]:
    document: dict[str, Value] = {}
    for fact in facts:
        value = _value(fact.name, partial(fact.find, host), missing)
        top, dot, inner = fact.name.partition(".")
        if dot:
            document.setdefault(top, {})[inner] = value
        else:
            document[top] = value
    return document


def _value(name: str, find: Callable[[], Value], missing: list[str]) -> Value:
    from packager.base.errors import PackagerError

    try:
        return find()
    except (OSError, ValueError, LookupError, PackagerError):
        missing.append(name)
        return None


def _roles(options: HostOptions) -> Value:
    return list(options.roles())


def _active(root: str) -> Value:
    from packager.generations.document import active_generation

    active = active_generation(root)
    if active is None:
        return None
    return {
        "generation": active.number,
        "roles": list(active.roles),
        "packages": list(active.packages),
    }


def _profile(root: str) -> Value:
    from provisioner.runs import run_records

    run = run_records.applied(root)
    if run is None:
        return None
    return {"name": run.record["profile"]["name"], "run": run.number, "time": run.record["time"]}
