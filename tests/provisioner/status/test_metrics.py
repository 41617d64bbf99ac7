"""`status --format=prometheus`: what node_exporter's textfile collector reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from provisioner.cli.status_metrics import status_metrics
from provisioner.status.difference import UNREAD, Difference

from tests.support.profile_host import QUICKLY, Host

LINE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\n"])*",?)+)\})? (-?[0-9.e+]+|NaN)')
WEB = {
    "profile": 1,
    "name": "web",
    "packages": ["hello--1"],
    "configuration": {"files": [{"path": "etc/hello.conf", "content": "port = 8080\n"}]},
    "health": {"checks": False, **QUICKLY},
}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.add("hello--1", {"bin/hello": "#!/bin/sh\necho hello\n"})
    host.applied(WEB)
    return host


def metrics(host: Host, *words: str, code: int = 0) -> dict[str, str]:
    """Series and their values, as the text format has them: each family begins with its type."""
    done = host.run("status", "--format=prometheus", "--exit-zero", *words)
    assert done.returncode == code, done.stderr.decode()
    found: dict[str, str] = {}
    known = set()
    text = done.stdout.decode()
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            assert line.endswith(" gauge")
            known.add(line.split()[2])
        elif not line.startswith("# HELP "):
            match = LINE.fullmatch(line)
            assert match is not None, line
            assert match[1] in known
            assert line.rpartition(" ")[0] not in found
            found[line.rpartition(" ")[0]] = match[3]
    return found


def test_a_host_in_sync_and_one_that_is_not(host: Host) -> None:
    before = metrics(host)
    assert before["provisioner_in_sync"] == "1"
    assert before['provisioner_differences{kind="configuration"}'] == "0"
    labels = 'profile="web",run="1",outcome="applied",revision=""'
    assert before[f"provisioner_applied_run_info{{{labels}}}"] == "1"
    (host.root / "active/etc/hello.conf").resolve().write_text("port = 9090\n")
    after = metrics(host)
    assert after["provisioner_in_sync"] == "0"
    assert after['provisioner_differences{kind="configuration"}'] == "1"
    assert before.keys() == after.keys()


def test_an_interrupted_run_is_told(host: Host) -> None:
    (host.root / "provisioner/pending").symlink_to("runs/1")
    told = metrics(host)
    assert told['provisioner_pending_run{state="interrupted"}'] == "1"
    assert told['provisioner_pending_run{state="running"}'] == "0"
    assert told["provisioner_in_sync"] == "0"


def test_labels_are_escaped(host: Host) -> None:
    record = host.root / "provisioner/runs/1/record.json"
    text = record.read_text()
    assert '"name":"web"' in text
    record.write_text(text.replace('"name":"web"', '"name":"a\\"b\\\\c\\nd"'))
    labels = 'profile="a\\"b\\\\c\\nd",run="1",outcome="applied",revision=""'
    assert f"provisioner_applied_run_info{{{labels}}}" in metrics(host)


def test_without_a_profile_there_is_nothing_to_tell(tmp_path: Path) -> None:
    done = Host(tmp_path).run("status", "--format=prometheus", "--exit-zero")
    assert (done.returncode, done.stdout) == (66, b"")


def test_the_exit_status_is_that_of_other_formats(host: Host) -> None:
    assert host.run("status", "--format=prometheus").returncode == 0
    (host.root / "active/etc/hello.conf").resolve().write_text("port = 9090\n")
    assert host.run("status", "--format=prometheus").returncode == 65


def test_what_could_not_be_looked_at_makes_the_state_unknown() -> None:
    unread = Difference(UNREAD, "etc/secret", None, "permission denied")
    text = status_metrics(
        None, None, [], [unread], {"fence": 0, "holder": None, "request": None}, 1
    )
    assert "\nprovisioner_in_sync NaN\n" in text
    assert "\nprovisioner_unread_subjects 1\n" in text
    assert LINE.fullmatch("provisioner_in_sync NaN")
