"""Where profiles and packages come from: paths, standard input, URLs, repositories."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.support.host_packages import archive
from tests.support.profile_host import Host, profile
from tests.support.repository_site import configuration, site
from tests.support.web_server import body, serve, status


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.add("web--1", {"bin/web": "#!/bin/sh\n"})
    return host


def publish(directory: Path, package_id: str, **info: object) -> Path:
    """Write an archive into a repository's directory; no two have a path in common."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{package_id}.tar"
    path.write_bytes(archive({f"bin/{package_id.partition('--')[0]}": package_id}, info))
    return path


CONTENT = json.dumps(profile(packages=["web"])).encode()
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def test_a_url_needs_the_hash_and_has_it(host: Host) -> None:
    with serve(body(CONTENT)) as web:
        url = web.url("/web.json?token=hidden")
        done = host.run("apply", url)
        assert done.returncode == 64 and b"--sha256" in done.stderr and b"hidden" not in done.stderr
        assert not web.requests
        done = host.run("apply", f"--sha256={'0' * 64}", url)
        assert done.returncode == 65 and b"hidden" not in done.stderr
        assert host.active == []
        assert host.run("plan", f"--sha256={DIGEST}", url).returncode == 0
        assert host.run("apply", f"--sha256={DIGEST}", url).returncode == 0
    assert host.active == ["web--1"]
    with serve(status("404 Not Found")) as web:
        assert host.run("apply", f"--sha256={DIGEST}", web.url("/")).returncode == 66
    with serve(body(b"x" * (5 << 20))) as web:
        done = host.run("apply", f"--sha256={DIGEST}", web.url("/"))
        assert done.returncode == 65 and b"larger than 4194304 bytes" in done.stderr


def test_paths(host: Host, tmp_path: Path) -> None:
    assert host.run("apply", tmp_path / "none.json").returncode == 66
    assert host.run("apply", tmp_path).returncode == 64
    assert host.run("apply", "ftp://x.test/web.json").returncode == 64
    assert host.run("apply", "a", "b").returncode == 64
    file = tmp_path / "web.json"
    file.write_bytes(CONTENT)
    done = host.run("apply", f"--sha256={'0' * 64}", file)
    assert done.returncode == 65 and b"SHA-256" in done.stderr
    assert not (host.root / "provisioner/runs/1").exists()
    assert host.run("apply", f"--sha256={DIGEST}", file).returncode == 0
    assert host.run("plan", file.as_uri()).returncode == 0
    assert host.run("plan", file.as_uri() + "x").returncode == 66
    assert host.run("plan", "file://elsewhere/web.json").returncode == 64


def test_packages_are_fetched_side_by_side_with_what_they_require(
    host: Host, tmp_path: Path
) -> None:
    publish(tmp_path / "site", "a--1", requires=["b"])
    publish(tmp_path / "site", "b--1")
    publish(tmp_path / "site", "b--2")
    host.packager("index", tmp_path / "site")
    with site(tmp_path / "site") as served:
        repository = {"name": "main", "url": served.url, "trust": "off"}
        made = profile(packages=["a", "web"], repositories=[repository])
        plan = host.json("plan", "-", stdin=json.dumps(made).encode())
        assert [each["id"] for each in plan["fetch"]] == ["a--1", "b--2"]
        assert plan["changed"] and plan["host"] is None
        assert not (host.root / "packages/a--1").exists() and not (host.root / "downloads").exists()
        events = host.events(made)
        assert {each["id"] for each in events if each["event"] == "added"} == {"a--1", "b--2"}
        assert host.active == ["a--1", "b--2", "web--1"]
        # What fits is there: nobody is asked, though there is something newer.
        publish(tmp_path / "site", "a--2", requires=["b"])
        host.packager("index", tmp_path / "site")
        asked = len(served.paths)
        host.applied({**made, "description": "another"})
        assert len(served.paths) == asked
        assert "a--2" in host.applied(made, "--upgrade")["packages"]


def test_packagers_own_repositories_are_used_where_a_profile_names_none(
    host: Host, tmp_path: Path
) -> None:
    publish(tmp_path / "site", "a--1")
    host.packager("index", tmp_path / "site")
    with site(tmp_path / "site") as served:
        configuration(
            host.config / "config.toml", {"name": "main", "url": served.url, "trust": "off"}
        )
        assert host.applied(profile(packages=["a"]))["packages"] == ["a--1"]
        done = host.apply(profile(packages=["a>1"]))
        assert done.returncode == 66
        assert b"a>1: there is only a--1, in the store and in the repositories main" in done.stderr


def test_what_can_not_be_fetched_changes_nothing(host: Host, tmp_path: Path) -> None:
    for each in ("a--1", "b--1"):
        publish(tmp_path / "site", each)
    host.packager("index", tmp_path / "site")
    (tmp_path / "site/a--1.tar").write_bytes(archive({"bin/other": "other"}))
    with site(tmp_path / "site") as served:
        repository = {"name": "main", "url": served.url, "trust": "off"}
        done = host.apply(profile(packages=["a", "b"], repositories=[repository]), "--retries=0")
    assert done.returncode == 65 and b"not all packages could be fetched: a--1:" in done.stderr
    assert host.active == [] and host.history() == []
    with serve(status("500 Oops")) as web:
        repository = {"name": "main", "url": web.url("/"), "trust": "off"}
        done = host.apply(profile(packages=["a"], repositories=[repository]), "--retries=0")
    assert done.returncode == 69 and b"repository main" in done.stderr


def test_packages_without_an_index_tell_what_they_require_when_they_have_come(
    host: Host, tmp_path: Path
) -> None:
    for package_id, more in (("a--1", {"requires": ["b"]}), ("b--1", {})):
        name = package_id.partition("--")[0]
        published = publish(tmp_path / f"site/packages/{name}", package_id, **more)
        published.rename(published.with_suffix(".tar.xz"))
    with site(tmp_path / "site") as served:
        repository = {"name": "old", "url": served.url, "trust": "off", "layout": "pkgpanda"}
        made = profile(packages=["a--1"], repositories=[repository])
        done = host.apply(made)
        assert done.returncode in (66, 73) and b"b" in done.stderr
        assert host.active == []
        made["packages"] = ["a--1", "b--1"]
        assert host.applied(made)["packages"] == ["a--1", "b--1"]


def test_a_missing_library_is_one_clear_sentence(host: Host, tmp_path: Path) -> None:
    import sys

    line = (
        "import sys; sys.modules['yaml'] = sys.modules['jsonschema'] = None;"
        "from packager.cli import runner; from provisioner.cli.definitions import PROVISIONER;"
        "sys.exit(runner.run(PROVISIONER, sys.argv[1:]))"
    )
    for content, words in (
        (b"profile: 1\n", b"profiles in YAML need the Python library yaml, which is not installed"),
        (CONTENT, b"profiles need the Python library jsonschema, which is not installed"),
    ):
        done = host.run("apply", "-", stdin=content, program=[sys.executable, "-c", line])
        assert done.returncode == 78
        assert words in done.stderr and b"install the extra 'provisioner'" in done.stderr
