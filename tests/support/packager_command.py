"""Running the real `packager` in a process of its own, on a store of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.support import fork_server

PACKAGER = [sys.executable, "-m", "packager"]
# What a host gives a command, and no more.
BARE = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/nonexistent"}


def environment(root: Path, **more: str) -> dict[str, str]:
    return {**BARE, "PACKAGER_ROOT": str(root), **more}


def packager(
    root: Path, *words: str | Path, stdin: bytes = b"", **more: str
) -> subprocess.CompletedProcess[bytes]:
    """Run it to its end, everything captured; see `fork_server`."""
    return fork_server.run(["packager", *words], environment(root, **more), stdin=stdin)


def from_the_start(
    root: Path, *words: str | Path, stdin: bytes = b"", cwd: Path | None = None, **more: str
) -> subprocess.CompletedProcess[bytes]:
    """The same in a Python of its own, as a shell would start it."""
    return run_command([*PACKAGER, *words], environment(root, **more), stdin=stdin, cwd=cwd)


def run_command(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    *,
    stdin: bytes = b"",
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run any program to its end, everything captured."""
    return subprocess.run(
        [*map(str, command)],
        input=stdin,
        capture_output=True,
        env=dict(environment),
        cwd=cwd,
        timeout=30,
        check=False,
    )


def tar(**files: bytes) -> bytes:
    """An uncompressed archive; `bin__hello=b"…"` is the file bin/hello."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("__", "/").replace("_", "."))
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def staged(root: Path) -> list[str]:
    """What is left of work in progress."""
    return sorted(each.name for each in (root / "staging").iterdir())


def working_on(root: Path) -> list[str]:
    """The command lines of the processes that have the store in theirs."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(root) in line:
                found.append(line)
    return found


def waits_for(lock: Path, pid: int) -> bool:
    """Whether the process has the lock open, as one that waits for it."""
    return any(os.path.realpath(each) == str(lock) for each in Path(f"/proc/{pid}/fd").iterdir())
