"""The demonstration, as a person and as a pipe sees it, and what it leaves behind: nothing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pexpect
import psutil
import pytest
from agentsim.demo.sample_package import find

DEMO = [sys.executable, "-m", "agentsim", "demo"]
SOFTWARE = find()


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A TMPDIR for one demonstration; afterwards nothing is left in it and no process knows it."""
    yield tmp_path
    survivors = [process for process in psutil.process_iter() if _knows(process, tmp_path)]
    assert survivors == []
    assert list(tmp_path.iterdir()) == []


def _knows(process: psutil.Process, directory: Path) -> bool:
    try:
        known = [*process.environ().values(), *process.cmdline()]
    except psutil.Error:
        return False
    return any(str(directory) in text for text in known)


def _environment(scratch: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "TERM"}}
    return {**kept, "TMPDIR": str(scratch), "TERM": "xterm", **more}


def test_once_tells_the_story_and_ends(scratch: Path) -> None:
    done = subprocess.run(
        [*DEMO, "--once", "--port=0"],
        env=_environment(scratch),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    steps = re.findall(r"^ ?(\d+)  (\w+)", done.stdout, re.MULTILINE)
    assert [int(number) for number, _ in steps] == list(range(1, 11))
    story = [
        r"It answers on http://127\.0\.0\.1:\d+",
        r"fetching .* of \d+\.\d MB",
        rf"added +id {re.escape(SOFTWARE.package_id)}, changed true",
        r"exit record +exit_code 0, reason exit",
        rf'{{"packages": \[{{"id": "{re.escape(SOFTWARE.package_id)}"',
        rf"\n    {SOFTWARE.name} {re.escape(SOFTWARE.version)}\n",
        r"401 Unauthorized  WWW-Authenticate: Basic realm=",
        r"400 Bad Request .*\n(.*\n)*?.*bad-parameter",
        r"400 Bad Request .*\n(.*\n)*?.*unknown-parameter",
        r"404 Not Found .*\n    404 Not Found\.",
        r"405 Method Not Allowed  Allow: POST",
        r"404 Not Found .*\n(.*\n)*?.*is not installed",
        r"exit record +exit_code 73",
        r"exit record +exit_code 65",
        r'\{"packages": \[\]\}',
        r"applied +profile lint, run 1, generation 1, changed true",
        r"\$ sed -i s/88/120/ ",
        r'"in_sync": false',
        r'"subject": "etc/ruff.toml"',
        r"applied +profile lint, run 2, generation 1, changed true",
        r'"in_sync": true',
        r'\{"packages": \[\]\}',
        r"may be unavailable: +5",
        r"rolled-back: the health check failed: simulated",
        r"rollout is paused \(budget\)",
        r"rolled-back +1 +the health check failed: simulated +sim-",
        r"batch 3 of 3",
        r"rollout resume\n",
        r"rollout is done",
        r"rollout undo",
        r"\nGood-bye: .*\n\Z",
    ]
    place = 0
    for passage in story:
        found = re.compile(passage).search(done.stdout, place)
        assert found, f"{passage} is not told after: {done.stdout[:place][-500:]}"
        place = found.end()


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl, which is what it is about")
def test_every_curl_line_does_what_the_demonstration_did(scratch: Path) -> None:
    with _running("--port=0", scratch=scratch) as demo:
        assert demo.stdout
        story = ""
        for line in demo.stdout:
            story += line
            if "What the agent logs" in line:
                break
        told = re.findall(
            r"^    \$ (curl (?:.*\\\n)*.*)\n    (\d{3} [A-Z][A-Za-z ]*?)(?:  .*)?$",
            story,
            re.MULTILINE,
        )
        assert len(told) >= 10
        for command, status in told:
            answer = subprocess.run(
                ["sh", "-c", command], capture_output=True, text=True, timeout=60, check=True
            )
            assert answer.stdout.startswith(f"HTTP/1.1 {status}\n"), command
        assert "POST /packager/remove 200" in _until(demo.stdout, "POST /packager/remove")
        demo.send_signal(signal.SIGINT)
        assert demo.stdout.read().endswith(
            "Good-bye: the agent is stopped, its files are removed.\n"
        )
    assert demo.returncode == 0


@contextmanager
def _running(*options: str, scratch: Path) -> Iterator[subprocess.Popen[str]]:
    """A demonstration under way; whatever the test finds, it ends."""
    with subprocess.Popen(
        [*DEMO, *options],
        env=_environment(scratch),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        try:
            yield demo
        except BaseException:
            demo.terminate()
            raise


def _until(lines: Iterator[str], text: str) -> str:
    return next(line for line in lines if text in line)


@pytest.mark.long  # the whole story once more
@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_gets_colour_unless_it_asks_for_none(scratch: Path, no_color: str) -> None:
    with closing(
        pexpect.spawn(
            DEMO[0],
            [*DEMO[1:], "--port=0"],
            env=_environment(scratch, NO_COLOR=no_color),
            encoding="utf-8",
            timeout=120,
            dimensions=(40, 90),
        )
    ) as demo:
        demo.expect("What the agent logs while you do:")
        told = demo.before or ""
        assert ("\x1b[1;36m 4  Add it" in told) == (not no_color)
        assert "\x1b[1A\r\x1b[K" in told  # the bar moves in its place
        plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", told)
        # Only what can't be broken may be longer than the terminal is wide: paths, URLs, hashes.
        for line in plain.splitlines():
            assert len(line) <= 90 or "/" in line or len(line.split()) == 1
        demo.sendintr()
        demo.expect("Good-bye")
        demo.expect(pexpect.EOF)
        assert demo.wait() == 0


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.long),
        pytest.param(signal.SIGHUP, marks=pytest.mark.long),
    ],
)
def test_told_to_end_in_the_middle_it_cleans_up(scratch: Path, number: signal.Signals) -> None:
    with _running("--once", "--port=0", scratch=scratch) as demo:
        assert demo.stdout
        _until(demo.stdout, "fetching")
        demo.send_signal(number)
        demo.send_signal(number)  # an impatient person
        assert "Good-bye" in demo.stdout.read()
        assert demo.stderr
        assert demo.stderr.read() == ""
    assert demo.returncode == 128 + number


def test_its_reader_may_leave(scratch: Path) -> None:
    with _running("--once", "--port=0", scratch=scratch) as demo:
        assert demo.stdout
        assert demo.stderr
        demo.stdout.readline()
        demo.stdout.close()
        assert demo.stderr.read() == ""
    assert demo.returncode == 128 + signal.SIGPIPE


@pytest.mark.long  # the whole story once more
def test_a_port_in_use_is_one_line_and_another_port(scratch: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*DEMO, "--once", f"--port={port}"],
            env=_environment(scratch),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Port {port} is in use here, so it takes a free one." in done.stdout
    assert f"http://127.0.0.1:{port}/" not in done.stdout
