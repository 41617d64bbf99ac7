"""docs/ci.md does what it says: its files, in an empty directory, pass their own script."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "ci.md"


def blocks() -> list[str]:
    """The indented blocks of the page."""
    found = re.findall(r"(?:^    .*\n|^\n)+", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    texts = ["\n".join(line[4:] for line in block.split("\n")) for block in found]
    return [text.strip("\n") + "\n" for text in texts if text.strip()]


def test_the_example_keeps_the_contract(tmp_path: Path) -> None:
    names = {
        "#!/usr/bin/env python3\n": "digest",
        "{\n": "digest.json",
        '"""The routes': "test_routes.py",
        "#!/bin/sh\n": "contract.sh",
    }
    for text in blocks():
        for start, name in names.items():
            if text.startswith(start):
                (tmp_path / name).write_text(text)
                (tmp_path / name).chmod(0o755)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(names.values())
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["./contract.sh"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    kept = (tmp_path / "reports" / "command.txt").read_text()
    assert re.search(r"^\d+ kept, 0 broken", kept, re.MULTILINE), kept
    assert "2 passed" in done.stdout
    assert (tmp_path / "reports" / "routes.xml").exists()

    # And a command that breaks it is found.
    program = tmp_path / "digest"
    program.write_text(program.read_text().replace("os.write(1, told.encode())", "print(told)"))
    done = subprocess.run(
        ["./contract.sh"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert re.search(r"^fail +ABI-CMD-2 +a full disk is an error", done.stdout, re.MULTILINE)
