"""What somebody has put into the host's packages, or edited there, is not lost by an apply."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.profile_host import UNIT, Host, configuration, profile, template


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.add("web--1", {"bin/web": "#!/bin/sh\n", "units/web.service": UNIT})
    host.applied(web(80))
    return host


def web(port: int) -> dict[str, object]:
    file = template("etc/web.conf", "port={{ values.port }}\n")
    return profile(packages=["web"], configuration=configuration(file, values={"port": port}))


def kept(host: Host) -> dict[str, str]:
    top = host.root / "kept"
    return {
        str(path.relative_to(top).as_posix()).partition("/")[2]: path.read_text()
        for path in sorted(top.rglob("*"))
        if path.is_file()
    }


def edit(host: Host) -> None:
    (host.root / "active/etc/web.conf").write_text("port=mine\n")
    (host.root / "packages" / host.active[-1] / "rows").write_text("rows")
    (host.units / "web.service").write_text(UNIT + "# mine\n")


def test_a_repair_keeps_and_tells_it(host: Host) -> None:
    edit(host)
    events = [json.loads(line) for line in host.run("apply", "--format=ndjson").stdout.splitlines()]
    told = {each["path"]: each["place"] for each in events if each["event"] == "kept"}
    assert set(told) == {"etc/web.conf", "rows", str(host.units / "web.service")}
    assert all(Path(place).exists() for place in told.values())
    assert kept(host) == {
        "etc/web.conf": "port=mine\n",
        "rows": "rows",
        "web.service": UNIT + "# mine\n",
    }
    assert host.read("etc/web.conf") == "port=80\n"
    assert host.run("status").returncode == 0
    assert host.applied(web(80))["changed"] is False


def test_deleting_it_needs_an_option(host: Host) -> None:
    edit(host)
    assert host.run("apply", "--discard-changes").returncode == 0
    assert kept(host).keys() <= {"web.service"}
    assert host.run("status").returncode == 0


def test_a_plan_shows_what_would_not_be_in_use_any_more(host: Host) -> None:
    config = host.active[-1]
    (host.root / "active/etc/web.conf").write_text("port=mine\n")
    place = str(host.root / "packages" / config / "etc/web.conf")
    planned = host.json("plan", "-", stdin=json.dumps(web(81)).encode())
    assert planned["edited"] == [{"of": config, "path": "etc/web.conf", "place": place}]
    done = host.apply(web(81))
    assert done.returncode == 0 and f"it stays in {place}" in done.stderr.decode()
    assert Path(place).read_text() == "port=mine\n"
