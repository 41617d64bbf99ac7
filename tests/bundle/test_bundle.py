"""The bundle as a host gets it: unpacked, installed by one command, started by any way to it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import bundle
import pytest

from tests.support.bundled_host import BundledHost
from tests.support.bundles import CHECKOUT, FULL, NAME, Bundles, run, unpacked

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def host(bundles: Bundles, tmp_path_factory: pytest.TempPathFactory) -> BundledHost:
    """A host with the full bundle, unpacked under a umask that takes away."""
    host = BundledHost(tmp_path_factory.mktemp("host"))
    done = host.install(host.unpack(bundles.full, umask=0o077))
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().splitlines()[-1] == "activated generation 1 (1 package)"
    return host


def test_the_same_inputs_give_the_same_bytes(bundles: Bundles, tmp_path: Path) -> None:
    archive = bundles.full
    before = os.umask(0o077)
    try:
        place = tmp_path / "another place"
        place.mkdir()
        bundle.lay_out(place, [], module=None)
        bundle.pack(place, FULL, tmp_path / "again.tar", "none")
    finally:
        os.umask(before)
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()


def test_one_command_puts_it_into_the_store(bundles: Bundles, host: BundledHost) -> None:
    listed = host.run("packager", "list", "--format=json")
    assert json.loads(listed.stdout)["packages"] == [
        {"id": FULL, "name": NAME, "version": CHECKOUT}
    ]
    assert host.run("packager", "verify").returncode == 0
    for program in ("packager", "provisioner"):
        assert host.run(program, "--version").stdout.decode().split()[-1] == CHECKOUT
    again = host.install(host.top / "unpacked")
    assert again.returncode == 0
    assert again.stdout.decode().splitlines()[-1] == (
        "generation 1 was active already; nothing was changed"
    )
    assert "was there already, with the same content" in host.ok("packager", "add", bundles.full)


def test_its_check_passes_and_its_tables_are_good(host: BundledHost) -> None:
    checked = host.run("packager", "check", "--format=json")
    assert json.loads(checked.stdout)["ok"] is True, checked.stdout
    routes = host.root / "active" / "etc" / NAME / "routes"
    for name in ("packager", "provisioner"):
        table = json.loads((routes / f"{name}.json").read_text())
        assert table["command"] == [f"/opt/packager/active/bin/{name}"]
        told = run(
            [sys.executable, "-m", "agentsim", "check", routes / f"{name}.json"], dict(os.environ)
        )
        assert told.returncode == 0, told.stderr


def test_nothing_else_is_imported(host: BundledHost, tmp_path: Path) -> None:
    for place in ("packager", "click", "json"):
        (tmp_path / f"{place}.py").write_text("raise SystemExit('of somebody else')\n")
    link = tmp_path / "some name"
    link.symlink_to(host.root / "active/bin/packager")
    outside = {**host.environment, "PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nonexistent"}
    done = run([link, "--version"], outside, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    tree = host.root / "packages" / FULL
    assert not list(tree.rglob("*.pyc.*"))
    assert host.run("packager", "verify").returncode == 0


def test_closed_descriptors_stay_free_for_what_they_are_for(host: BundledHost) -> None:
    program = host.root / "active/bin/packager"
    for closing in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        done = run(["sh", "-c", f"{program} list {closing}"], host.environment)
        assert done.returncode == (74 if ">&-" in closing.split(" ")[0:2] else 0), closing


def test_a_changed_or_cut_copy_is_not_installed(bundles: Bundles, tmp_path: Path) -> None:
    host = BundledHost(tmp_path)
    place = host.unpack(bundles.version("0.2.0"))
    assert host.install(place, "--rols=x").returncode == 64
    source = place / "python/click/core.py"
    source.write_text(source.read_text() + "# edited\n")
    done = host.install(place)
    assert done.returncode == 65
    assert b"click/core.py' is not as the archive's pkgmanifest.json says: unpack" in done.stderr
    source.unlink()
    assert b"is missing: unpack the archive again" in host.install(place).stderr
    assert not host.root.exists()


def test_it_says_on_which_host_it_can_work(bundles: Bundles, tmp_path: Path) -> None:
    other = unpacked(bundles.for_another_host("0.5.0"), tmp_path / "other")
    done = run([other / "bin/packager", "list"])
    assert done.returncode == 78
    assert done.stderr.decode().startswith("packager: this bundle is for Python ")
    assert "(.cpython-399-z80-linux-gnu.so), and " in done.stderr.decode()
    assert run([other / "install"]).returncode == 78
    empty = tmp_path / "empty"
    empty.mkdir()
    nothing = run([other / "bin/packager", "list"], {"PATH": str(empty)})
    assert nothing.returncode == 78
    assert nothing.stderr.decode() == (
        f"packager: this bundle needs Python {VERSION}, and there is none on the PATH: install "
        f"python{VERSION}\n"
    )
    (empty / "python3").symlink_to(os.path.realpath(sys.executable))
    other_python = run([other / "bin/packager", "list"], {"PATH": str(empty)})
    assert other_python.returncode == 78
    assert b"python3 is another one" in other_python.stderr
