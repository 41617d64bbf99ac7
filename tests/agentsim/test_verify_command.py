"""`agentsim verify-command`: packager keeps its side, and bad commands are found out."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from agentsim.suite.hosts.processes import wait_until

ROOT = Path(__file__).parents[2]
COMMANDS = ROOT / "fixtures" / "commands"
AGENTSIM = [sys.executable, "-m", "agentsim"]


def _verify(*arguments: str | Path) -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(
        [*AGENTSIM, "verify-command", "--format=json", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)["findings"]


def _broken(findings: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    return {
        (finding["clause"], finding["check"]): finding["reason"]
        for finding in findings
        if finding["verdict"] == "fail"
    }


def _table(directory: Path, command: str, delivery: str = "whole") -> Path:
    path = directory / "table.json"
    route = {
        "path": "/list",
        "method": "GET",
        "argv": ["list", "--", "{name}"],
        "parameters": {"name": {"type": "string", "required": True}},
        "response": {"delivery": delivery},
        "timeout": 3,
        "grace": 0.2,
    }
    table = {
        "abi": 1,
        "process": "bad",
        "command": [str(COMMANDS / command)],
        "environment": {"PATH": os.environ["PATH"]},
        "routes": [route],
    }
    path.write_text(json.dumps(table))
    return path


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """The URL of a directory, `tmp_path`."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


READS = ("/list.json", "/show.json", "/verify.json")


@pytest.mark.parametrize("routes", [READS, ("/add",), ("/remove",)])
def test_packager_keeps_every_clause(
    tmp_path: Path, repository: str, routes: tuple[str, ...]
) -> None:
    (tmp_path / "tree" / "bin").mkdir(parents=True)
    (tmp_path / "tree" / "bin" / "hello").write_text("hello\n")
    archive, store = tmp_path / "hello--1.0.tar", tmp_path / "store"
    variables = {**os.environ, "PACKAGER_ROOT": str(store)}
    packager = [sys.executable, "-m", "packager"]
    build = [*packager, "build", f"--output={archive}", "--id=hello--1.0", str(tmp_path / "tree")]
    subprocess.run(build, env=variables, check=True, capture_output=True)
    subprocess.run([*packager, "add", str(archive)], env=variables, check=True, capture_output=True)
    status, findings = _verify(
        ROOT / "module" / "routes" / "packager.json",
        f"--environment=PATH={Path(sys.executable).parent}:{os.environ['PATH']}",
        f"--environment=PACKAGER_ROOT={store}",
        *(f"--only={route}" for route in routes),
        *("--sample", "/show.json", "id=hello--1.0", "--sample", "/remove", "id=hello--1.0"),
        *("--sample", "/add", f"url={repository}/{archive.name}"),
    )
    assert (status, _broken(findings)) == (0, {})
    assert {finding["clause"] for finding in findings} == {f"ABI-CMD-{n}" for n in range(1, 11)}


def test_packager_keeps_every_clause_with_a_body(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"no archive")
    status, findings = _verify(
        ROOT / "module" / "routes" / "packager.json",
        f"--environment=PATH={Path(sys.executable).parent}:{os.environ['PATH']}",
        f"--environment=PACKAGER_ROOT={tmp_path / 'store'}",
        *("--only=/upload", "--sample", "/upload", "id=hello--1.0", f"--stdin={body}"),
    )
    assert (status, _broken(findings)) == (0, {})


@pytest.mark.parametrize(
    "routes",
    [
        ("/status.json", "/history.json", "/facts.json", "/schema.json"),
        ("/plan.json", "/repair"),
        ("/apply", "/rollback"),
    ],
)
def test_provisioner_keeps_every_clause(tmp_path: Path, routes: tuple[str, ...]) -> None:
    body = tmp_path / "profile.json"
    files = [{"path": "etc/hello.conf", "template": "{{ values.word }}"}]
    profile = {"profile": 1, "name": "web", "health": {"checks": False}}
    body.write_text(
        json.dumps({**profile, "configuration": {"values": {"word": "hello"}, "files": files}})
    )
    places = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PACKAGER_ROOT": str(tmp_path / "store"),
        "PACKAGER_CONFIG": str(tmp_path / "config.toml"),
        "PACKAGER_UNITS_DIR": str(tmp_path / "units"),
        "PACKAGER_STATE_DIR": str(tmp_path / "state"),
        "PACKAGER_CONFIG_DIR": str(tmp_path / "etc"),
    }
    (tmp_path / "config.toml").touch()
    command = [sys.executable, "-m", "provisioner", "apply", str(body)]
    subprocess.run(command, env={**os.environ, **places}, check=True, capture_output=True)
    status, findings = _verify(
        ROOT / "module" / "routes" / "provisioner.json",
        *(f"--environment={name}={value}" for name, value in places.items()),
        *(f"--only={route}" for route in routes),
        f"--stdin={body}",
    )
    assert (status, _broken(findings)) == (0, {})
    assert {finding["clause"] for finding in findings} == {f"ABI-CMD-{n}" for n in range(1, 11)}


def test_a_command_that_chats(tmp_path: Path) -> None:
    status, findings = _verify(_table(tmp_path, "bad_chatty.sh"))
    assert status == 65
    assert _broken(findings) == {
        ("ABI-CMD-1", "only data on stdout"): (
            "it wrote words there: 'Loading the list, please wait...'"
        ),
        ("ABI-CMD-2", "a full disk is an error"): "it exited with 1",
        ("ABI-CMD-2", "a closed stdout is an error"): "it exited with 1",
        ("ABI-CMD-4", "nothing for a terminal where there is none"): (
            "an escape sequence (b'\\x1b[32m') on stderr"
        ),
        ("ABI-CMD-4", "it asks nothing"): (
            "it waits for its standard input, as for an answer to a question"
        ),
        ("ABI-CMD-5", "well-formed output"): (
            "no JSON document: Expecting value: line 1 column 1 (char 0); it begins with"
            " 'Loading the list, please wait...\\n{\"packages\": []}\\n'"
        ),
    }


def test_a_command_that_does_not_care(tmp_path: Path) -> None:
    status, findings = _verify(_table(tmp_path, "bad_careless.py"))
    assert status == 65
    lost = "it exited with 0 though its output was lost"
    option = "with --no-such-option-exists, an option that there is not, it exited with 1"
    assert _broken(findings) == {
        ("ABI-CMD-2", "bad input is told by the exit code"): option,
        ("ABI-CMD-2", "a full disk is an error"): lost,
        ("ABI-CMD-2", "a reader that has gone is an error"): lost,
        ("ABI-CMD-2", "a closed stdout is an error"): lost,
        ("ABI-CMD-3", "what follows -- is an operand"): "it took --help behind -- for an option",
        ("ABI-CMD-5", "well-formed output"): (
            'no JSON document: NaN is no JSON; it begins with \'{"packages": [], "packages": NaN}\''
        ),
        ("ABI-CMD-8", "a failure is explained on stderr"): (
            "it crashed: Traceback (most recent call last)"
        ),
    }


def test_a_command_that_does_not_let_go(tmp_path: Path) -> None:
    status, findings = _verify(_table(tmp_path, "bad_stubborn.sh", "stream"))
    assert status == 65
    broken = _broken(findings)
    assert broken[("ABI-CMD-1", "only data on stdout")] == "it wrote words there: 'bye'"
    assert "is its output buffered?" in broken[("ABI-CMD-6", "events come when they happen")]
    assert broken[("ABI-CMD-7", "SIGTERM ends it, the next run works")] == (
        "it went on after SIGTERM for longer than its grace, 0.2 s"
    )
    assert broken[("ABI-CMD-8", "a failure is explained on stderr")] == (
        "it exited with 64 and said nothing"
    )
    assert broken[("ABI-CMD-9", "it leaves no process behind")] == (
        "1 of its processes lived on after its end"
    )
    assert {clause for clause, _ in broken} == {f"ABI-CMD-{n}" for n in (1, 2, 5, 6, 7, 8, 9)}


#: What a script of these tests does first, as every honest command does.
OPTIONS = """#!/bin/sh
case " $* " in
*" --no-such-option-exists "*) echo "no such option" >&2; exit 64 ;;
esac
"""


def _script(directory: Path, text: str) -> Path:
    path = directory / "command"
    path.write_text(text)
    path.chmod(0o755)
    return path


def _alive(marker: str) -> list[int]:
    """The processes that have a text in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if marker.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


@pytest.mark.parametrize(
    "how",
    [
        "env -i sleep {n} &",
        "env -i setsid sleep {n} &",
        "(setsid sh -c 'env -i setsid sleep {n} & exit 0' &)",
        "env -i setsid sh -c 'yes; exec sleep {n}' &",
    ],
    ids=["in the group", "in a session of its own", "twice forked", "floods the pipe"],
)
def test_who_cleared_its_environment_is_found_and_ended(tmp_path: Path, how: str) -> None:
    number = f"{86400 + os.getpid()}.{len(how)}"
    pipes = "" if "yes" in how else ">/dev/null 2>&1 "
    start = how.format(n=number).replace(" &", f" {pipes}</dev/null &")
    _script(tmp_path, OPTIONS + start + "\necho '{}'\n")
    status, findings = _verify(_table(tmp_path, str(tmp_path / "command")))
    assert _alive(number) == []
    broken = _broken(findings)
    assert re.fullmatch(
        "[12] of its processes lived on after its end",
        broken[("ABI-CMD-9", "it leaves no process behind")],
    )
    assert status == 65


def test_what_others_started_is_left_alone(tmp_path: Path) -> None:
    """A shell's own child stays its child's when the shell becomes the verifying program."""
    _script(tmp_path, OPTIONS + "echo '{}'\n")
    number = f"{172800 + os.getpid()}"
    verify = [*AGENTSIM, "verify-command", str(_table(tmp_path, str(tmp_path / "command")))]
    line = f'sleep {number} >/dev/null 2>&1 & exec "$@"'
    done = subprocess.run(
        ["/bin/sh", "-c", line, "sh", *verify], capture_output=True, text=True, check=False
    )
    assert re.search("^pass +ABI-CMD-9", done.stdout, re.MULTILINE), done.stdout
    (pid,) = _alive(f"sleep\0{number}")
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_verification_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    seconds = f"{259200 + os.getpid()}.{int(number)}"
    _script(tmp_path, f"#!/bin/sh\nenv -i setsid sleep {seconds} &\nexec sleep {seconds}\n")
    verify = [*AGENTSIM, "verify-command", str(_table(tmp_path, str(tmp_path / "command")))]
    with subprocess.Popen(verify, stderr=subprocess.PIPE, text=True) as running:
        wait_until(lambda: len(_alive(seconds)) == 2, 30)
        running.send_signal(number)
        _, told = running.communicate(timeout=30)
    assert running.returncode == 128 + number
    assert "Traceback" not in told
    assert _alive(seconds) == []


HONEST = rf"""#!{sys.executable}
import os, sys
try:
    os.fstat(1)
except OSError:
    if RUNTIME:
        assert os.open("/dev/null", os.O_RDWR) == 1
if "--no-such-option-exists" in sys.argv:
    sys.stderr.write("no such option\n")
    sys.exit(64)
try:
    os.write(1, b"{{}}\n")
except OSError:
    sys.exit(0 if CARELESS else 74)
"""
CLOSED = ("ABI-CMD-2", "a closed stdout is an error")


@pytest.mark.parametrize(
    ("runtime", "careless", "verdict"),
    [(True, False, "n/a"), (False, False, "pass"), (False, True, "fail")],
)
def test_a_runtime_that_opens_dev_null(
    tmp_path: Path, runtime: bool, careless: bool, verdict: str
) -> None:
    text = HONEST.replace("RUNTIME", str(runtime)).replace("CARELESS", str(careless))
    _script(tmp_path, text)
    _, findings = _verify(_table(tmp_path, str(tmp_path / "command")))
    (found,) = [f for f in findings if (f["clause"], f["check"]) == CLOSED]
    assert found["verdict"] == verdict
    if verdict == "n/a":
        assert found["reason"] == "its runtime opened /dev/null in place of it"


NODE = r"""#!/usr/bin/env node
const fs = require("fs");
if (process.argv.includes("--no-such-option-exists")) {
  console.error("no such option");
  process.exit(64);
}
try {
  fs.writeSync(1, "{}\n");
} catch (error) {
  console.error(error.message);
  process.exit(74);
}
"""
RUST = r"""use std::io::Write;
fn main() {
    if std::env::args().any(|word| word == "--no-such-option-exists") {
        eprintln!("no such option");
        std::process::exit(64);
    }
    if let Err(error) = std::io::stdout().write_all(b"{}\n") {
        eprintln!("{error}");
        std::process::exit(74);
    }
}
"""


@pytest.mark.parametrize("language", ["node", "rustc"])
def test_an_honest_program_of_such_a_runtime(tmp_path: Path, language: str) -> None:
    if shutil.which(language) is None:
        pytest.skip(f"there is no {language} here")
    if language == "node":
        _script(tmp_path, NODE)
    else:
        (tmp_path / "main.rs").write_text(RUST)
        build = ["rustc", "-o", str(tmp_path / "command"), str(tmp_path / "main.rs")]
        subprocess.run(build, check=True, capture_output=True)
    status, findings = _verify(_table(tmp_path, str(tmp_path / "command")))
    assert (status, _broken(findings)) == (0, {})
    (found,) = [f for f in findings if (f["clause"], f["check"]) == CLOSED]
    assert found["verdict"] == "n/a"


def test_exit_codes_that_the_route_names(tmp_path: Path) -> None:
    """Nothing to list is 3, and the answer to it is its output; 4 is a mistake of the client's."""
    command = _script(
        tmp_path,
        OPTIONS.replace("exit 64", "exit 4") + "echo '{}' 2>/dev/null || exit 74\nexit 3\n",
    )
    table = _table(tmp_path, str(command))
    status, findings = _verify(table)
    assert status == 65
    assert {check for _, check in _broken(findings)} >= {
        "exit code of sysexits.h, or of the route's statuses",
        "bad input is told by the exit code",
    }
    document = json.loads(table.read_text())
    document["routes"][0]["statuses"] = {"3": 200, "4": 400}
    table.write_text(json.dumps(document))
    status, findings = _verify(table)
    assert (status, _broken(findings)) == (0, {})


def test_samples_that_a_host_would_refuse(tmp_path: Path) -> None:
    table = _table(tmp_path, "bad_chatty.sh")
    for arguments, text in (
        (["--sample", "/list", "name="], "must have 1 to 4096 bytes"),
        (["--sample", "/list", "size=1"], "has no parameter 'size'"),
        (["--sample", "/lost", "name=1"], "has no such route"),
        (["--only", "/lost"], "has no such route"),
    ):
        done = subprocess.run(
            [*AGENTSIM, "verify-command", str(table), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 64
        assert text in done.stderr


def test_the_table_for_people(tmp_path: Path) -> None:
    done = subprocess.run(
        [*AGENTSIM, "verify-command", str(_table(tmp_path, "bad_careless.py"))],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 65
    assert "fail  ABI-CMD-3   what follows -- is an operand" in lines
    assert "        GET /bad/list: it took --help behind -- for an option" in lines
    assert re.fullmatch(r"\d+ kept, 7 broken, \d+ not applicable", lines[-1])
