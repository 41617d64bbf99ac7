"""What the README says is so: its consoles are run, its table is served, its links lead somewhere.

`python tests/test_readme.py` prints what the consoles give now, to be copied.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from rollout.strategy.reader import strategy

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ACTIVATE = ". .nox/house-*/bin/activate"


# What differs from run to run: times, ids, process ids; with another liblzma, sizes and hashes.
VARIES = re.compile(
    r"\d\d:\d\d:\d\d|\b[0-9a-f]{16}\b|\b[0-9a-f]{64}\b|pid \d+|\d+\.\d{1,3}\b|\d+ B\b"
    r"|\d+ bytes, 1 file"
)


@dataclass
class Entry:
    """One command of a console and what it prints, line by line."""

    command: str
    output: list[str]


def _consoles() -> list[Entry]:
    entries: list[Entry] = []
    for kind, text in BLOCK.findall(README):
        for line in text.splitlines() if kind == "console" else ():
            if line.startswith("$ "):
                entries.append(Entry(line[2:], []))
            else:
                entries[-1].output.append(line)
    return entries


def _run(entries: list[Entry], scratch: Path) -> list[str]:
    """What each of the commands prints, all of them in one shell, in a copy of nothing."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    (table,) = [text for kind, text in BLOCK.findall(README) if kind == "json"]
    (scratch / "accounts.json").write_text(table)
    profile, _ = [text for kind, text in BLOCK.findall(README) if kind == "yaml"]
    (scratch / "web.yaml").write_text(profile)
    answering = f"(exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null"
    script = ["exec 2>&1", "trap 'kill $(jobs -p) 2>/dev/null' EXIT"]
    for entry in entries:
        command = entry.command.replace(ACTIVATE, f"PATH={Path(sys.executable).parent}:$PATH")
        command = command.replace("agentsim serve", f"agentsim serve --port={port}")
        command = command.replace("accounts.json", str(scratch / "accounts.json"))
        command = command.replace(":5051", f":{port}").replace("/tmp/tour", str(scratch))
        script += ["echo @@@@", command]
        if command.endswith("&"):
            script.append(f"until {answering}; do kill -0 $! || exit; sleep 0.05; done")
        if command == "kill $!":
            script.append("wait $!")
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    told = done.stdout.replace(str(scratch / "accounts.json"), "accounts.json")
    told = told.replace(str(scratch), "/tmp/tour").replace(f":{port}", ":5051")
    # curl leaves the end of a line to the body.
    return re.split(r"\n?@@@@\n", "\n" + told)[1:]


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl: the README asks with it")
def test_the_strategy_is_one() -> None:
    _, text = [text for kind, text in BLOCK.findall(README) if kind == "yaml"]
    found = strategy(yaml.safe_load(text), "the README")
    assert (found.name, found.select.at_least) == ("web-2026-11", 20)


def test_the_consoles_print_what_they_print(tmp_path: Path) -> None:
    entries = _consoles()
    assert len(entries) > 10
    for entry, told in zip(entries, _run(entries, tmp_path), strict=True):
        expected = VARIES.sub("…", "\n".join(entry.output))
        assert VARIES.sub("…", told.rstrip("\n")) == expected, entry.command


@pytest.mark.parametrize("place", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_links_lead_somewhere(place: str) -> None:
    assert (ROOT / place).exists()


@pytest.mark.parametrize("session", sorted(set(re.findall(r"noxfile\.py ([a-z]+)", README))))
def test_the_sessions_are_there(session: str) -> None:
    assert f"@nox.session\ndef {session}(" in (ROOT / "noxfile.py").read_text()


if __name__ == "__main__":
    consoles = _consoles()
    with tempfile.TemporaryDirectory() as directory:
        for shown, output in zip(consoles, _run(consoles, Path(directory)), strict=True):
            print(f"$ {shown.command}\n{output}".rstrip("\n"))
