"""An apply that repairs is killed at every system call that changes the disk.

A reader finds every path as it was, changed by hand or not, or well; the next apply brings the host
to what the profile says, and leaves nothing behind.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.kill_points import counting, doing, points, tell, why_no_strace
from tests.support.package_sets import archive, tidy
from tests.support.provisioner_machine import Machine, profile
from tests.support.repository_site import configuration, site

WEB = {
    "packages": ["hello"],
    "configuration": {"files": [{"path": "etc/hello.conf", "content": "well\n"}]},
    "health": {"checks": False, "retries": 0},
}
PATHS = ("bin/hello", "bin/other", "etc/hello.conf")


def harm(root: Path) -> None:
    """A file of a package, the configuration, and a link of the active set."""
    (root / "packages/hello--1/bin/hello").write_text("changed\n")
    (root / "active/etc/hello.conf").write_text("edited\n")
    (root / "active/bin/other").unlink()


def readable(root: Path) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for path in PATHS:
        try:
            found[path] = (root / "active" / path).read_text()
        except OSError:
            found[path] = None
    return found


@pytest.mark.long
def test_killed_while_it_repairs(
    memory: Path, record_property: Callable[[str, object], None]
) -> None:
    if why_no_strace():
        pytest.skip(why_no_strace())
    machine = Machine(memory)
    shelf, model, log = memory / "shelf", memory / "model", memory / "log"
    shelf.mkdir()
    (shelf / "hello--1.tar").write_bytes(archive({"bin/hello": "well\n", "bin/other": "well\n"}))
    machine.packager("index", shelf)
    root = machine.root

    def traced(tracer: list[str]) -> int:
        return machine.run("apply", "--no-systemd", tracer=tracer).returncode

    def fresh() -> None:
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run(["cp", "-a", model, root], check=True)

    with site(shelf) as served:
        repository: dict[str, object] = {"name": "main", "url": served.url, "trust": "off"}
        configuration(machine.config / "config.toml", repository)
        done = machine.run("apply", "--no-systemd", "-", stdin=profile(**WEB))
        assert done.returncode == 0, done.stderr
        well = readable(root)
        harm(root)
        harmed = readable(root)
        assert harmed != well
        root.rename(model)
        fresh()
        assert traced(counting(log)) == 0
        assert readable(root) == well
        tried = [each for each in points(log.read_text()) if each.changes_something]
        lost = []
        killed = 0
        for point in tried:
            fresh()
            killed += traced(doing("signal=KILL", point, log)) == -signal.SIGKILL
            try:
                for path, now in readable(root).items():
                    assert now in (harmed[path], well[path]), path
                again = machine.run("apply", "--no-systemd")
                assert again.returncode == 0, again.stderr.decode()
                assert readable(root) == well
                status = machine.run("status", "--no-systemd")
                assert status.returncode == 0, status.stdout.decode()
                machine.packager("recover")
                tidy(root)
            except AssertionError as error:
                lost.append(f"{point}: {error}")
    tell("kill points", "an apply that repairs", len(tried), lost, record_property)
    # What is done by processes of its own may be killed without the apply.
    assert killed >= len(tried) // 2
