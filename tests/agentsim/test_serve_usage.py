"""`agentsim serve` as a person starts it with something wrong: one line that helps, sysexits."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

TABLE = Path(__file__).parents[2] / "module" / "routes" / "packager.json"


def serve(*options: str | Path, code: int) -> str:
    """What it says when it refuses to serve."""
    done = subprocess.run(
        [sys.executable, "-m", "agentsim", "serve", "--port=0", TABLE, *options],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("text", ["", "\n \n", '{"credentials": []}'])
def test_credentials_that_guard_nothing(text: str, tmp_path: Path) -> None:
    """Whoever names a file wants the routes guarded; an empty one would leave all of them open."""
    file = tmp_path / "credentials"
    file.write_text(text)
    assert f"{file}: there are no credentials in it" in serve(f"--credentials={file}", code=65)


def test_an_address_that_can_not_be_had() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = serve(f"--port={port}", code=69)
    assert said == f"can't listen on 127.0.0.1:{port}: Address already in use; try --port 0\n"
    said = serve("--host=192.0.2.1", code=69)  # RFC 5737: nobody's
    assert "192.0.2.1" in said
    assert said.endswith("; give --host an address of this machine\n")


def test_usage() -> None:
    assert "No such option" in serve("--nope", code=64)
    assert "NAME=VALUE" in serve("--environment=NAME", code=64)
    assert "the host's own" in serve("--environment=ABI_VERSION=2", code=64)
