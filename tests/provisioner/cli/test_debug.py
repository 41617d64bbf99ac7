"""PACKAGER_DEBUG=1: what was decided and why is written to standard error; nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.provisioner.debugged_host import DebuggedHost
from tests.support.profile_host import Host, configuration, profile, template

HOST_OPTIONS = ("--no-systemd", "--no-users")


def test_decisions_are_written_only_where_the_environment_asks_for_it(tmp_path: Path) -> None:
    hosts = []
    for make in (Host, DebuggedHost):
        (tmp_path / make.__name__).mkdir()
        hosts.append(make(tmp_path / make.__name__))
        hosts[-1].add("web--1", {"bin/web": "1\n"})
    host, debugged = hosts
    file = template("etc/web.conf", "{{ facts.hostname }}\n")
    content = json.dumps(profile(packages=["web"], configuration=configuration(file))).encode()
    silent = host.run("plan", *HOST_OPTIONS, "--format=json", "-", stdin=content)
    assert silent.stderr == b""
    planned = debugged.run("plan", *HOST_OPTIONS, "--format=json", "-", stdin=content)
    assert planned.stdout == silent.stdout
    assert all(line.startswith(b"debug ") for line in planned.stderr.splitlines())
    applied = debugged.run("apply", *HOST_OPTIONS, "-", stdin=content)
    for decision in (
        b"profile: standard input is parsed and validated",
        b"packages: requested ['web'], taken as ['web']",
        b"rendered with facts ['hostname']",
        b"goes back to generation None",
        b"change: activated True",
        b"run 1: applied (step gate",
    ):
        assert decision in applied.stderr
    (debugged.root / "active/etc/web.conf").unlink()
    repaired = debugged.run("apply", *HOST_OPTIONS, "-", stdin=content)
    assert b"not up to date with run 1: configuration etc/web.conf" in repaired.stderr
    assert b"profile: byte for byte that of run 1" in repaired.stderr
    assert b"damaged links True" in repaired.stderr
