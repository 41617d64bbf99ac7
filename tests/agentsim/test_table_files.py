"""Files that are given as tables and are none: nothing waits for them, or reads them for ever."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

#: Address space that a program which reads a table needs at the most.
MEMORY = 1 << 30
COMMANDS = (["check"], ["routes"], ["verify-command"], ["serve", "--port=0"])


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: str(words[0]))
@pytest.mark.parametrize("kind", ["fifo", "zero", "large", "directory"])
def test_what_is_no_table_is_refused(tmp_path: Path, kind: str, words: list[str]) -> None:
    file = tmp_path / "t.json"
    reason = "it is not a regular file"
    if kind == "fifo":
        os.mkfifo(file)
    elif kind == "zero":
        file.symlink_to("/dev/zero")
    elif kind == "directory":
        file.mkdir()
    else:
        with file.open("wb") as large:
            large.truncate(3 << 30)
        reason = "a table has at most 1048576 bytes"
    done = subprocess.run(
        [sys.executable, "-m", "agentsim", *words, file],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )
    assert done.returncode == (65 if kind == "large" else 66)
    assert f"{file}: " in done.stderr and reason in done.stderr
