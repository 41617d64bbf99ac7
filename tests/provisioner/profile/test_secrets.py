"""A secret is where it is needed and nowhere else: all that is written or told is searched."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.provisioner.debugged_host import DebuggedHost
from tests.support.profile_host import UNIT, Host, configuration, profile, template
from tests.support.repository_site import put, site

CANARY = "canary-7f3a91"
FILED = "canary-in-a-file-20c4"
BOTH = (CANARY.encode(), FILED.encode())
# A check that would tell of anything that it is given.
CHECK = "#!/bin/sh\nenv\ncat /proc/$$/cmdline /proc/$PPID/cmdline\nexit 1\n"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = DebuggedHost(tmp_path)
    host.add("web--1", {"units/web.service": UNIT, "check/tells": CHECK})
    (tmp_path / "filed").write_text(FILED + "\n")
    (tmp_path / "filed").chmod(0o600)
    return host


def document(host: Host, **more: object) -> dict[str, object]:
    files = [
        template("etc/password", "{{ secrets.password }}\n", restart=["web.service"]),
        template("etc/both", "{% set all = secrets %}{{ all['filed'] }} {{ values.open }}"),
        template("etc/compared", "{{ 'yes' if secrets.password == 'x' else 'no' }}"),
        template("etc/open", "{{ values.open }}"),
    ]
    secrets = {"password": CANARY, "filed": {"file": str(host.top / "filed")}}
    made = configuration(*files, values={"open": "open"}, secrets=secrets)
    return profile(
        **{"packages": ["web"], "configuration": made, "health": {"checks": False}, **more}
    )


def test_a_secret_is_nowhere_but_where_it_is_needed(host: Host) -> None:
    """Of plans and applies that succeed, fail, go back and find nothing to do: every word said,
    every file with its mode, every command line and environment of a process."""
    told = []
    watch = Watch()
    with watch:
        unmet = document(host, health={"checks": True})
        broken = document(host, roles=["r"])
        broken["configuration"]["files"].append(template("etc/z", "{{ values[secrets.password] }}"))  # type: ignore[index]
        for each in (document(host), unmet, broken, document(host)):
            content = json.dumps(each).encode()
            for words in (["plan"], ["plan", "--format=json"], ["apply", "--settle=0.001"]):
                told.append(host.run(*words, "-", stdin=content))
            told.append(host.run("apply", "--format=ndjson", "--settle=0.001", "-", stdin=content))
        told += [host.run("status"), host.run("history", "--format=json"), host.run("rollback")]
    codes = {each.returncode for each in told}
    assert {0, 65} <= codes and 70 not in codes
    for done in told:
        for output in (done.stdout, done.stderr):
            assert not any(each in output for each in BOTH), done.args
    assert watch.seen and not watch.leaks
    holding = holders(host.top) - {host.top / "filed"}
    config = next(each for each in host.active if each.startswith("web-config"))
    tree = host.root / "packages" / config
    assert {tree / "etc/password", tree / "etc/both"} <= holding
    for path in holding:
        assert path.name == "profile.json" or path.is_relative_to(host.root / "packages")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((tree / "etc/compared").stat().st_mode) == 0o600
    assert stat.S_IMODE((tree / "etc/open").stat().st_mode) == 0o644
    # Hashes of short secrets can be guessed: those in the record are the owner's, too.
    assert stat.S_IMODE((host.root / "manifests" / config).stat().st_mode) == 0o600


class Watch:
    """Looks at the command lines and environments of all processes below this one."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.leaks: list[bytes] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._over.is_set():
            for pid in descendants(os.getpid()):
                for name in ("cmdline", "environ"):
                    try:
                        content = Path(f"/proc/{pid}/{name}").read_bytes()
                    except OSError:
                        continue
                    self.seen.add(pid)
                    self.leaks += [content for each in BOTH if each in content]

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            children = [int(each) for each in (task / "children").read_text().split()]
        except OSError:
            continue
        found += children
        for child in children:
            try:
                found += descendants(child)
            except OSError:
                continue
    return found


def holders(top: Path) -> set[Path]:
    """The files below `top` that have a secret in them."""
    files = (each for each in top.rglob("*") if each.is_file() and not each.is_symlink())
    return {each for each in files if any(word in each.read_bytes() for word in BOTH)}


def test_a_plan_tells_that_a_file_changes_and_not_how(host: Host) -> None:
    host.applied(document(host))
    later = document(host)
    later["configuration"]["secrets"]["password"] = "another"  # type: ignore[index]
    later["configuration"]["values"] = {"open": "opened"}  # type: ignore[index]
    content = json.dumps(later).encode()
    files = {
        each["path"]: each
        for each in host.json("plan", "-", stdin=content)["configuration"]["files"]
    }
    assert files["etc/password"]["change"] == "change"
    assert files["etc/password"]["secret"] and files["etc/password"]["diff"] is None
    assert "-open\n+opened" in files["etc/open"]["diff"]
    said = host.run("plan", "-", stdin=content).stdout.decode()
    assert "contains a secret" in said and "another" not in said


def test_a_file_with_a_secret_may_not_be_read_by_others(host: Host) -> None:
    open_to_all = template("etc/p", "{{ secrets.password }}", mode="0640")
    made = configuration(open_to_all, secrets={"password": CANARY})
    done = host.apply(profile(packages=["web"], configuration=made))
    assert done.returncode == 65
    assert b"etc/p contains a secret" in done.stderr and CANARY.encode() not in done.stderr


def test_a_secret_that_changes_in_its_file_is_rendered_anew(host: Host) -> None:
    host.applied(document(host))
    assert not host.applied(document(host))["changed"]
    host.tools.calls()
    (host.top / "filed").write_text("another")
    assert host.applied(document(host))["changed"]
    assert host.read("etc/both") == "another open"


@pytest.mark.parametrize(
    ("secret", "code", "words"),
    [
        ({"file": "/nowhere/at/all"}, 66, "the secret s: /nowhere/at/all: there is no such file"),
        ({"file": "/dev"}, 65, "the secret s: /dev is not a file"),
        ({"file": "/dev/zero"}, 65, "the secret s: /dev/zero is not a file"),
        (
            {"file": "relative"},
            65,
            'configuration.secrets.s: it should be a text, or {"file": PATH}',
        ),
    ],
)
def test_a_secret_that_can_not_be_read(
    host: Host, secret: dict[str, str], code: int, words: str
) -> None:
    done = host.apply(profile(packages=["web"], configuration={"secrets": {"s": secret}}))
    assert done.returncode == code
    assert words in done.stderr.decode()


def test_what_fetches_packages_is_told_no_secret(host: Host, tmp_path: Path) -> None:
    put(tmp_path / "site", "other--1", size=1 << 20)
    host.packager("index", tmp_path / "site")
    with site(tmp_path / "site") as served, Watch() as _:
        made = document(host, packages=["web", "other"])
        made["repositories"] = [{"name": "main", "url": served.url, "trust": "off"}]
        host.applied(made)
        requests = [f"{each.line} {each.headers}" for each in served.web.requests]
    assert requests and not any(CANARY in each or FILED in each for each in requests)


def test_a_profile_that_is_not_a_document_is_not_quoted(host: Host) -> None:
    for text in (
        f"password: *{CANARY}",
        f"password: !{CANARY} x",
        f"'{CANARY}",
        f"a: '{CANARY}\nb: [",
        f'{{"secrets": "{CANARY}"',
        f'{{"{CANARY}": 1e999}}',
        f'{{"profile": "{CANARY}"}}',
        json.dumps(profile(packages=["web"], configuration={"secrets": {"s": [CANARY]}})),
        json.dumps(profile(packages=["web"], configuration={"secrets": CANARY})),
        json.dumps({"profile": 1, "name": CANARY.upper(), "packages": ["web"]}),
        json.dumps(profile(packages=["web"], health={"http": [{"url": CANARY}]})),
    ):
        done = host.run("apply", "-", stdin=text.encode())
        assert done.returncode == 65
        assert CANARY not in done.stderr.decode().replace(f"{CANARY} is not known", "")
        assert CANARY.upper() not in done.stderr.decode()


def test_a_core_of_the_renderer_is_not_written(host: Host) -> None:
    """What renders a template has the secrets in its memory, and dies if it takes too much."""
    program = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_CORE, (-1, -1));"
    program += "os.execv(sys.executable, [sys.executable, '-m', 'provisioner', 'apply', '-'])"
    loop = "{% for a in range(99999) %}"
    endless = f"{loop}{loop}{{{{ secrets.password if 0 }}}}{{% endfor %}}{{% endfor %}}"
    made = configuration(template("etc/p", endless), secrets={"password": CANARY})
    content = json.dumps(profile(packages=["web"], configuration=made)).encode()
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=content,
        capture_output=True,
        env=host.environment,
        cwd=host.top,
        timeout=60,
        check=False,
    )
    assert done.returncode == 65 and b"etc/p: rendering it takes more than 3 s" in done.stderr
    assert not holders(host.top) - {host.top / "filed"}
