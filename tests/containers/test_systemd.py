"""A real systemd, as PID 1 of a container that borrows this machine's /usr.

No image is fetched: the container's own files are a handful of directories and /etc/passwd.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from .package import archive

PROJECT = Path(__file__).parents[2]
SYSTEMD = Path("/usr/lib/systemd/systemd")
START = """#!/bin/sh
umount -R /sys/fs/cgroup 2>/dev/null
mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 77
container=docker exec /usr/lib/systemd/systemd --system systemd.unit=multi-user.target
"""
PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
GROUP = "root:x:0:\nnogroup:x:65534:\n"
VALUE = "$(touch /pwned) `id` \"q\" 'q'\nB=2 \\ #;%h $HOME"

WEB = """[Service]
EnvironmentFile=/store/active/environment
User=dcos_web
ExecStart=/bin/sh -c 'exec /store/active/web/run {}'
"""
FAILING = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo it burns; exit 3'\n"
# Started, as far as systemd tells at once.
DYING = "[Service]\nExecStart=/bin/sh -c 'echo so soon; exit 4'\n"
SLEEP = "[Service]\nExecStart=/bin/sleep infinity\n"


class Machine:
    """A container in which systemd runs."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["docker", "exec", "-i", self.name, *words],
            input=stdin,
            capture_output=True,
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def packager(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "packager", "--root=/store", *words, stdin=stdin)

    def show(self, unit: str, name: str) -> str:
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).stdout.strip()

    def await_boot(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            state = self.run("systemctl", "is-system-running", "--wait").stdout.strip()
            if state in ("running", "degraded"):
                return
        raise AssertionError("systemd has not come up in a minute")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    missing = _why_not()
    if missing:
        pytest.skip(missing)
    image = f"packager-test-{os.getpid()}"
    imported = subprocess.run(
        ["docker", "import", "-", image], input=_root(), capture_output=True, check=False
    )
    if imported.returncode:
        pytest.skip(f"docker can't import an image: {imported.stderr.decode().strip()}")
    places = {str(PROJECT), sys.prefix, sys.base_prefix}
    mounts = [f"--volume={place}:{place}:ro" for place in places if not place.startswith("/usr")]
    started = subprocess.run(
        [
            *("docker", "run", "--detach", f"--name={image}", "--cap-add=SYS_ADMIN"),
            *("--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"),
            *("--security-opt=systempaths=unconfined", "--network=none"),
            *("--tmpfs=/run", "--tmpfs=/tmp", "--volume=/usr:/usr:ro", *mounts, image, "/start"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        if started.returncode:
            pytest.skip(f"docker can't run a container for systemd: {started.stderr.strip()}")
        made = Machine(image)
        if made.run("true").returncode:
            logs = subprocess.run(["docker", "logs", image], capture_output=True, check=False)
            pytest.skip(f"systemd can't run in a container here: {logs.stderr.decode().strip()}")
        made.await_boot()
        yield made
    finally:
        subprocess.run(["docker", "rm", "--force", image], capture_output=True, check=False)
        subprocess.run(["docker", "rmi", "--force", image], capture_output=True, check=False)


def test_the_life_of_services_under_a_real_systemd(machine: Machine) -> None:
    info = {"environment": {"VALUE": VALUE}, "username": "dcos_web", "state_directory": True}
    run = "#!/bin/sh\necho up > /var/lib/dcos/web/up\nexec sleep infinity\n"
    _add(machine, "web--1", {"run": run, "dcos.target.wants/web.service": WEB.format(1)}, info)
    _add(machine, "web--2", {"run": run, "dcos.target.wants/web.service": WEB.format(2)}, info)
    _add(machine, "web--3", {"run": run, "dcos.target.wants/web.service": FAILING}, info)
    _add(machine, "web--4", {"run": run, "dcos.target.wants/web.service": DYING}, info)
    _add(machine, "db--1", {"units/db.service": SLEEP})

    done = machine.packager("activate", "web--1", "db--1")
    assert done.returncode == 0, done.stderr
    assert _active(machine, "web", "db") == ["active", "active"]
    assert machine.run("systemctl", "is-enabled", "dcos.target").stdout == "enabled\n"
    assert machine.run("stat", "-c", "%U", "/var/lib/dcos/web").stdout == "dcos_web\n"
    web, db = machine.show("web", "MainPID"), machine.show("db", "MainPID")
    environ = machine.run("cat", f"/proc/{web}/environ").stdout.split("\0")
    assert f"VALUE={VALUE}" in environ
    assert machine.run("test", "-e", "/pwned").returncode == 1

    done = machine.packager("swap", "web--2")
    assert done.returncode == 0, done.stderr
    assert machine.show("db", "MainPID") == db
    assert machine.show("web", "MainPID") not in (web, "0")
    assert _active(machine, "web", "db") == ["active", "active"]

    done = machine.packager("swap", "--rollback-on-failure", "web--3")
    assert done.returncode == 74
    assert "web.service: failed (exit-code)" in done.stderr and "it burns" in done.stderr
    assert "web--2" in machine.packager("active").stdout
    assert _active(machine, "web", "db") == ["active", "active"]
    assert machine.show("db", "MainPID") == db

    done = machine.packager("swap", "--rollback-on-failure", "web--4")
    assert (done.returncode, "so soon" in done.stderr) == (74, True), done.stderr
    assert _active(machine, "web", "db") == ["active", "active"]

    subprocess.run(["docker", "restart", "--time=5", machine.name], check=True, capture_output=True)
    machine.await_boot()
    assert _active(machine, "web", "db") == ["active", "active"]

    assert machine.packager("deactivate", "web").returncode == 0
    assert _active(machine, "web", "db") == ["inactive", "active"]
    assert machine.run("ls", "/etc/systemd/system/dcos.target.wants").stdout == "db.service\n"


def _add(
    machine: Machine, package_id: str, files: dict[str, str], info: dict[str, object] | None = None
) -> None:
    done = machine.packager("add", f"--id={package_id}", "-", stdin=archive(files, info))
    assert done.returncode == 0, done.stderr


def _active(machine: Machine, *units: str) -> list[str]:
    return machine.run("systemctl", "is-active", *units).stdout.split()


def _why_not() -> str | None:
    """Why this machine can't run the test, or None."""
    if shutil.which("docker") is None:
        return "this machine has no docker"
    if not SYSTEMD.exists() or not Path("/bin").is_symlink():
        return "this machine has no systemd in /usr to lend"
    asked = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    if asked.returncode:
        return f"no docker engine answers: {asked.stderr.strip()}"
    return None


def _root() -> bytes:
    """The image: directories, links into /usr, and what systemd needs of /etc."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in _directories():
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        for name in ("bin", "sbin", "lib", "lib64"):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(member)
        files = {"start": START, "etc/passwd": PASSWD, "etc/group": GROUP, "etc/machine-id": ""}
        files |= {"etc/shadow": "", "etc/gshadow": "", "etc/os-release": "ID=test\n"}
        for name, text in files.items():
            _add_file(tar, name, text.encode(), 0o755 if name == "start" else 0o644)
        if Path("/etc/ld.so.cache").exists():
            _add_file(tar, "etc/ld.so.cache", Path("/etc/ld.so.cache").read_bytes(), 0o644)
        if Path("/etc/alternatives").exists():
            tar.add("/etc/alternatives", "etc/alternatives")
    return buffer.getvalue()


def _directories() -> Sequence[str]:
    return ("usr", "proc", "sys", "dev", "run", "tmp", "root", "store", "var", "var/lib", "var/log",
            "etc", "etc/systemd", "etc/systemd/system")  # fmt: skip


def _add_file(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    tar.addfile(member, io.BytesIO(content))
