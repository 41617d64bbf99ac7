"""Which runs are kept, and where `rollback` goes: however many applies have failed since."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support import fork_server
from tests.support.profile_host import Host, configuration, profile, template

SICK = "#!/bin/sh\nfalse\n"


def port(number: int, **more: object) -> dict[str, object]:
    files = template("etc/web.conf", "port={{ values.port }}\n")
    return profile(configuration=configuration(files, values={"port": number}), **more)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def fail(host: Host, times: int) -> None:
    """So many applies fail: what they leave is that of one that has, over and over."""
    assert host.apply(port(99, health={"http": [{"url": "http://127.0.0.1:1/"}]})).returncode != 0
    runs = host.root / "provisioner/runs"
    last = max(int(each.name) for each in runs.iterdir())
    for number in range(last + 1, last + times):
        shutil.copytree(runs / str(last), runs / str(number))
        record = json.loads((runs / str(number) / "record.json").read_text())
        assert record["outcome"] == "rolled back"
        (runs / str(number) / "record.json").write_text(json.dumps({**record, "run": number}))


def test_failed_applies_do_not_displace_the_good_ones(host: Host) -> None:
    for number in (1, 2, 3):
        host.applied(port(number))
    fail(host, 60)
    assert host.apply(port(98, health={"http": [{"url": "http://127.0.0.1:1/"}]})).returncode != 0
    kept = [each["run"] for each in host.history()]
    assert sorted(kept)[:3] == [1, 2, 3]
    assert len(kept) == 53
    for number in (2, 1):  # further back than the last good one
        assert host.run("rollback").returncode == 0
        assert host.read("etc/web.conf") == f"port={number}\n"


def test_rollback_passes_over_a_set_that_was_kept_though_unhealthy(host: Host) -> None:
    host.applied(port(1))
    sick = {"health": {"http": [{"url": "http://127.0.0.1:1/"}]}, "on_failure": "keep"}
    assert host.apply(port(2, **sick)).returncode == 65
    host.applied(port(3))
    assert host.run("rollback").returncode == 0
    assert host.read("etc/web.conf") == "port=1\n"


def test_the_same_profile_again_after_an_unhealthy_one_is_not_gone_back_to(host: Host) -> None:
    host.applied(port(1))
    host.applied(port(2))
    sick = {"health": {"http": [{"url": "http://127.0.0.1:1/"}]}, "on_failure": "keep"}
    assert host.apply(port(3, **sick)).returncode == 65
    host.applied(port(2))
    assert host.run("rollback").returncode == 0
    assert host.read("etc/web.conf") == "port=1\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_mount_in_an_old_run(host: Host, tmp_path: Path) -> None:
    host.applied(port(1))
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "rows").write_text("rows")
    left = host.root / "provisioner/runs/.old-7/data"
    left.mkdir(parents=True)
    done = fork_server.run(
        ["provisioner", "apply", "-"],
        host.environment,
        stdin=json.dumps(port(2)).encode(),
        mounts={str(left): precious},
    )
    assert done.returncode == 78 and f"umount {left}" in done.stderr.decode()
    assert (precious / "rows").read_text() == "rows"
    host.applied(port(2))
    assert not left.exists()
