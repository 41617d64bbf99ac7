"""Packages and hosts for tests of the whole command."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.support.packager_command import packager
from tests.support.tar_archives import END, member


def archive(files: Mapping[str, str], info: Mapping[str, object] | None = None) -> bytes:
    """An archive of these files; those in bin and check, and scripts, are executable."""
    content = b""
    for path, text in files.items():
        mode = 0o755 if text.startswith("#!") else 0o644
        content += member(path, text.encode(), mode=mode)
    if info is not None:
        content += member("pkginfo.json", json.dumps(info).encode())
    return content + END


def add(
    root: Path, package_id: str, files: Mapping[str, str], info: Mapping[str, object] | None = None
) -> None:
    """Add a package with these files to the store."""
    done = packager(root, "add", f"--id={package_id}", "-", stdin=archive(files, info))
    assert done.returncode == 0, done.stderr


def host_options(root: Path, command: str = "activate") -> list[str]:
    """Options that keep the host's part beside the store, and wait for no recorded service."""
    return [
        *([] if command == "import-pkgpanda" else ["--settle=0.001"]),
        f"--units-dir={root.parent / 'system'}",
        f"--state-dir={root.parent / 'lib'}",
        f"--config-dir={root.parent / 'etc'}",
    ]


def activate(root: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Activate without systemd, successfully."""
    done = packager(root, "activate", "--no-systemd", *host_options(root), *words)
    assert done.returncode == 0, done.stderr
    return done


def await_end(pid: int) -> None:
    """Wait until the process has ended; it may be a zombie still, if nobody waits for it."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return
        if stat.rpartition(")")[2].split()[0] in "ZX":
            return
        os.sched_yield()
    raise AssertionError(f"process {pid} still runs")
