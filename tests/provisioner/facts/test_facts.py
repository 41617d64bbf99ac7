"""What `provisioner facts` says of this very host, held against what others find out about it."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from provisioner.facts import control_groups, host_facts, operating_system, storage
from provisioner.facts.system_files import SystemFiles

from tests.support.kill_points import why_no_strace
from tests.support.provisioner_machine import PROVISIONER, Machine
from tests.support.tar_archives import END, member

MANUAL = Path(__file__).parents[3] / "docs" / "provisioner.md"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def leaves(document: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in document.items():
        if isinstance(value, dict) and prefix + name not in ("active", "profile"):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_they_are_what_others_find_out(machine: Machine) -> None:
    found = machine.json("facts")
    assert found["hostname"] == socket.gethostname()
    assert found["kernel"]["release"] == os.uname().release
    assert found["cpus"]["online"] == psutil.cpu_count()
    assert found["memory"]["total"] == psutil.virtual_memory().total
    assert found["memory"]["swap"] == psutil.swap_memory().total
    assert found["boot"]["time"] == time.strftime(
        "%Y-%m-%dT%H:%M:%SZ", time.gmtime(psutil.boot_time())
    )
    root = next(each for each in found["mounts"] if each["path"] == "/")
    assert root["bytes"] in (psutil.disk_usage("/").total, os.statvfs("/").f_blocks * 4096)


def test_every_address_is_there_with_its_prefix(machine: Machine) -> None:
    theirs = {
        (name, each.address.partition("%")[0])
        for name, addresses in psutil.net_if_addrs().items()
        for each in addresses
        if each.family in (socket.AF_INET, socket.AF_INET6) and not name.startswith("veth")
    }
    found = machine.json("facts")["interfaces"]
    ours = {
        (each["name"], a["address"])
        for each in found
        for a in each["addresses"]
        if not each["name"].startswith("veth")
    }
    assert theirs <= ours
    loopback = next(each for each in found if each["name"] == "lo")
    assert {"family": "ipv4", "address": "127.0.0.1", "prefix": 8, "scope": "host"} in loopback[
        "addresses"
    ]


def test_addresses_of_one_interface_have_their_own_prefixes(machine: Machine) -> None:
    script = (
        "ip link set lo up && ip addr add 10.9.8.7/29 dev lo && ip addr add 10.6.5.4/12 dev lo "
        'label lo:other && exec "$@"'
    )
    command = ["unshare", "--net", "sh", "-c", script, "sh", *PROVISIONER, "facts", "--format=json"]
    if not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("unshare and ip are not installed")
    done = subprocess.run(command, capture_output=True, env=machine.environment, check=False)
    if done.returncode:
        pytest.skip(f"no network of its own can be made here: {done.stderr.decode().strip()}")
    found = json.loads(done.stdout)
    (loopback,) = (each for each in found["interfaces"] if each["name"] == "lo")
    prefixes = {each["address"]: each["prefix"] for each in loopback["addresses"]}
    assert prefixes["10.9.8.7"] == 29
    assert prefixes["10.6.5.4"] == 12
    assert found["address"] == {"ipv4": None, "ipv6": None}
    assert "address.ipv4" not in found["missing"]


def test_the_manual_lists_them_all() -> None:
    """One row of the table each: name, meaning, source."""
    table = MANUAL.read_text().partition("\n## Facts\n")[2]
    rows = re.findall(r"^\| `([\w.]+)` \| (.*) \| (.*) \|$", table, re.MULTILINE)
    wanted = [(fact.name, fact.what, fact.source) for fact in host_facts.FACTS] + [
        *host_facts.STORE_FACTS
    ]
    assert rows == wanted, "\n".join(f"| `{a}` | {b} | {c} |" for a, b, c in wanted)


def test_the_document_has_what_the_list_has(machine: Machine) -> None:
    names = [fact.name for fact in host_facts.FACTS] + [
        name for name, _, _ in host_facts.STORE_FACTS
    ]
    found = machine.json("facts")
    assert sorted(leaves(found)) == sorted([*names, "missing"])
    stable = host_facts.template_facts()
    assert sorted(leaves(stable)) == sorted(fact.name for fact in host_facts.FACTS if fact.stable)
    assert set(leaves({"memory": stable["memory"]})) == {"memory.total", "memory.swap"}


def test_roles_and_active_set(machine: Machine) -> None:
    assert machine.json("facts")["active"] is None
    (machine.config / "roles/agent").touch()
    archive = member("bin/hello", b"hello") + END
    machine.packager("add", "--id=hello--1", "-", stdin=archive)
    machine.packager("activate", "hello--1")
    found = machine.json("facts")
    assert found["roles"] == ["agent"]
    assert found["active"] == {"generation": 1, "roles": ["agent"], "packages": ["hello--1"]}
    assert found["profile"] is None
    table = machine.run("facts").stdout.decode()
    assert re.search(r"^hostname: +\S+$", table, re.MULTILINE)
    assert re.search(r"^active.packages: +hello--1$", table, re.MULTILINE)


def test_a_damaged_store_is_no_reason_to_fail(machine: Machine) -> None:
    machine.root.mkdir()
    (machine.root / "active").symlink_to("elsewhere")
    found = machine.json("facts")
    assert found["active"] is None and "active" in found["missing"]
    assert found["hostname"]


def test_without_proc_and_sys(machine: Machine) -> None:
    """They are null, and named; what needs neither is there."""
    hidden = 'mount -t tmpfs none /proc && mount -t tmpfs none /sys && exec "$@"'
    words = ["unshare", "--mount", "--map-root-user", "sh", "-c", hidden, "sh", *PROVISIONER]
    if not shutil.which("unshare"):
        pytest.skip("unshare is not installed")
    done = subprocess.run(
        [*words, "facts", "--format=json"],
        capture_output=True,
        env=machine.environment,
        check=False,
    )
    if b"Permission denied" in done.stderr or b"not permitted" in done.stderr:
        pytest.skip("no name space of mounts can be made here")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    expected = {"boot.id", "boot.time", "cpus.model", "memory.total", "memory.available"}
    expected |= {"memory.swap", "disks", "mounts", "virtual.hypervisor"}
    assert expected <= set(found["missing"])
    assert found["memory"] == {"total": None, "available": None, "swap": None}
    assert found["hostname"] == socket.gethostname()
    assert any(a["address"] == "127.0.0.1" for i in found["interfaces"] for a in i["addresses"])


def test_no_privileges_are_needed(machine: Machine) -> None:
    if os.geteuid() != 0:
        pytest.skip("these tests run without privileges already")
    # The interpreter may lie where only root may read: all modules are loaded before.
    code = (
        "import os\n"
        "from packager.cli.runner import run\n"
        "from provisioner.cli.definitions import PROVISIONER\n"
        "words = ['facts', '--format=json']\n"
        "run(PROVISIONER, words)\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "raise SystemExit(run(PROVISIONER, words))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env=machine.environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ours, theirs = map(json.loads, done.stdout.splitlines())
    assert set(theirs["missing"]) - set(ours["missing"]) <= {
        "roles",
        "active",
        "profile",
        "rollout",
    }
    assert theirs["disks"] == ours["disks"]


def test_no_program_is_run(machine: Machine, tmp_path: Path) -> None:
    if why_no_strace():
        pytest.skip(why_no_strace())
    log = tmp_path / "log"
    words = ["strace", "-f", "-o", str(log), "-e", "trace=execve,sendto,sendmsg", *PROVISIONER]
    subprocess.run([*words, "facts"], check=True, capture_output=True, env=machine.environment)
    calls = [line for line in log.read_text().splitlines() if "execve(" in line or "send" in line]
    assert len(calls) == 1, calls


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('ID=x\nNAME="A \\"b\\" \\$c \\\\ d"', {"ID": "x", "NAME": 'A "b" $c \\ d'}),
        ("# a comment\n\nID='y z'\nnonsense", {"ID": "y z"}),
        ("", {}),
    ],
)
def test_os_release(content: str, expected: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text(content)
    assert operating_system.os_release(SystemFiles(str(tmp_path))) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "UTC"),
        ({"localtime": "->/usr/share/zoneinfo/Europe/Berlin"}, "Europe/Berlin"),
        ({"localtime": "->../usr/share/zoneinfo/Etc/UTC", "timezone": "Asia/Tokyo"}, "Etc/UTC"),
        ({"localtime": "TZif", "timezone": "Asia/Tokyo\n"}, "Asia/Tokyo"),
        ({"localtime": "TZif"}, None),
    ],
)
def test_time_zone(files: dict[str, str], expected: str | None, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for name, content in files.items():
        if content.startswith("->"):
            (tmp_path / "etc" / name).symlink_to(content[2:])
        else:
            (tmp_path / "etc" / name).write_text(content)
    if expected is None:
        with pytest.raises(LookupError):
            operating_system.time_zone(SystemFiles(str(tmp_path)))
    else:
        assert operating_system.time_zone(SystemFiles(str(tmp_path))) == expected


def test_mounts(tmp_path: Path) -> None:
    lines = [
        "22 27 0:21 / /proc rw - proc proc rw",
        "27 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw",
        "28 27 8:1 /x /a/deep/bind rw - ext4 /dev/sda1 rw",
        "29 27 8:2 / /with\\040space\\134040 ro,noatime shared:1 - xfs /dev/sda2 rw",
        "30 27 0:50 / /gone rw - nfs4 server:/srv rw",
        "31 27 0:51 / /subvolume rw - btrfs /dev/sdb rw",
        "32 27 0:52 /@home /home rw - btrfs /dev/sdb rw",
        "33 27 0:53 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw",
        "34 27 8:3 /hosts /etc/hosts rw - ext4 /dev/sda3 rw",
    ]
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text("\n".join(lines))
    for each in ("with space\\040", "subvolume", "home", "a/deep/bind"):
        (tmp_path / each).mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hosts").touch()
    found = {each["path"]: each for each in storage.mounts(SystemFiles(str(tmp_path)))}
    assert list(found) == ["/", "/gone", "/home", "/with space\\040"]
    assert found["/gone"]["bytes"] is None
    assert found["/with space\\040"]["read_only"] is True
    assert (found["/"]["bytes"] or 0) > 0


@pytest.mark.parametrize("content", ["", "MemTotal: much kB", "\0\xff", "MemTotal 3"])
def test_nonsense_is_missing(content: str, tmp_path: Path) -> None:
    for path in ("proc/meminfo", "proc/cpuinfo", "proc/stat", "proc/self/mountinfo"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content.encode("latin-1"))
    host = SystemFiles(str(tmp_path))
    for find in (operating_system.boot_time, operating_system.hypervisor):
        with pytest.raises((LookupError, ValueError)):
            find(host)
    with pytest.raises((LookupError, ValueError)):
        operating_system.memory_bytes(host, "MemTotal")


V1 = {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n", "pids/pids.max": "max\n"}


@pytest.mark.parametrize(
    ("files", "cpus", "memory", "processes"),
    [
        ({"cgroup.controllers": "cpu\n"}, None, None, None),  # the root of a real host
        (
            {
                "cgroup.controllers": "cpu memory pids\n",
                "cpu.max": "150000 100000\n",
                "memory.max": "536870912\n",
                "pids.max": "64\n",
            },
            1.5,
            512 << 20,
            64,
        ),
        (
            {
                "cgroup.controllers": "",
                "cpu.max": "max 100000\n",
                "memory.max": "max\n",
                "pids.max": "max",
            },
            *(None, None, None),
        ),
        ({**V1, "memory/memory.limit_in_bytes": "9223372036854771712\n"}, None, None, None),
        (
            {
                **V1,
                "cpu/cpu.cfs_quota_us": "200000\n",
                "memory/memory.limit_in_bytes": "1048576\n",
                "pids/pids.max": "9\n",
            },
            *(2.0, 1048576, 9),
        ),
        ({}, None, None, None),
    ],
)
def test_limits_of_a_container(
    files: dict[str, str],
    cpus: float | None,
    memory: int | None,
    processes: int | None,
    tmp_path: Path,
) -> None:
    for name, content in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    system = SystemFiles(str(tmp_path))
    found = (
        control_groups.cpus(system),
        control_groups.memory(system),
        control_groups.processes(system),
    )
    assert found == (cpus, memory, processes)
