"""A secret is where it is needed and nowhere else: all that is written or told is searched."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from provisioner.profile.redaction import Redaction

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


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "is empty"), ("\n", "is empty"), (" \r\n", "is empty"), ("\t\n\n", "is empty")],
)
def test_an_empty_secret_file_is_refused(host: Host, content: str, words: str) -> None:
    """Such as one that a failed command was to fill: a service would take any password."""
    (host.top / "filed").write_text(content)
    done = host.apply(document(host))
    assert done.returncode == 65
    assert f"the secret filed: {host.top / 'filed'} {words}" in done.stderr.decode()
    assert not host.active


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"pw\r\n", "ends with a carriage return"),
        (b"pw\r", "ends with a carriage return"),
        (b"pw \n", "begins or ends with white space"),
        (b"pw\n\n", "begins or ends with white space"),
        (b"\xef\xbb\xbfpw\n", "begins or ends with white space or a byte order mark"),
    ],
)
def test_what_no_secret_is_meant_to_have_is_warned_of(
    host: Host, content: bytes, words: str
) -> None:
    (host.top / "filed").write_bytes(content)
    (host.top / "filed").chmod(0o600)
    done = host.run("plan", "-", stdin=json.dumps(document(host)).encode())
    assert done.returncode == 0
    assert f"the secret filed: {host.top / 'filed'} {words}" in done.stderr.decode()
    assert b"pw" not in done.stderr.replace(str(host.top).encode(), b"")


def test_secrets_in_a_profile_that_everybody_can_read_are_warned_of(host: Host) -> None:
    file = host.top / "web.json"
    file.write_text(json.dumps(document(host)))
    file.chmod(0o644)
    words = f"{file} has secrets in it and can be read by everybody: chmod o= it"
    for command in ("plan", "apply", "apply"):  # the last one has nothing to do
        assert words in host.run(command, file).stderr.decode()
    with file.open("rb") as redirected:
        done = subprocess.run(
            [sys.executable, "-m", "provisioner", "plan", "-"],
            stdin=redirected,
            capture_output=True,
            env=host.environment,
            timeout=60,
            check=False,
        )
    assert b"standard input has secrets in it and can be read by everybody" in done.stderr
    file.chmod(0o640)
    assert b"read by everybody" not in host.run("plan", file).stderr
    without = document(host)
    del without["configuration"]["secrets"]["password"]  # type: ignore[index]
    without["configuration"]["files"] = []  # type: ignore[index]
    file.write_text(json.dumps(without))
    file.chmod(0o644)
    assert b"read by everybody" not in host.run("plan", file).stderr


def test_who_may_only_read_is_told_nothing_that_a_secret_can_be_guessed_from(host: Host) -> None:
    """`show`, `verify` and `status` are served to read-only callers; a PIN has 10,000 values."""
    made = configuration(template("etc/pin", "{{ secrets.pin }}"), secrets={"pin": "4711"})
    host.applied(profile(packages=["web"], configuration=made, health={"checks": False}))
    config = next(each for each in host.active if each.startswith("web-config"))
    shown = json.loads(host.packager("show", "--format=json", config))
    assert shown["private"] is True and shown["files"] == 2
    hidden = ("size", "sha256", "archive_size", "tree")
    assert [shown[each] for each in hidden] == [None] * 4
    record = (host.root / "manifests" / config).read_text()
    digests = {word for word in record.split('"') if len(word) == 64}
    assert len(digests) >= 4
    (host.root / "packages" / config / "etc/pin").write_text("12345")
    told = [
        host.run("show", config, program="packager"),
        host.run("verify", "--format=json", program="packager"),
        host.run("status", "--format=json"),
        host.run("history", "--format=json"),
        host.run("active", "--format=json", program="packager"),
        host.run("facts", "--format=json"),
    ]
    for done in told:
        said = done.stdout.decode() + done.stderr.decode()
        assert not any(each in said for each in digests)
        assert "another size than it had" in said or "verify" not in str(done.args)
    assert b"5 bytes" not in b"".join(each.stdout for each in told)
    other = json.loads(host.packager("show", "--format=json", "web--1"))
    assert other["private"] is False and all(other[each] for each in hidden)


def test_a_core_of_who_has_read_secrets_is_not_written(host: Host) -> None:
    """It waits for a repository, with the profile in its memory, and dies of SIGQUIT."""
    program = "import os, resource, sys; hard = resource.getrlimit(resource.RLIMIT_CORE)[1];"
    program += "resource.setrlimit(resource.RLIMIT_CORE, (hard, hard));"
    program += "os.execv(sys.executable, [sys.executable, '-m', 'provisioner', 'apply', '-'])"
    made = document(host, packages=["web", "other"])
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        made["repositories"] = [{"name": "main", "url": url, "trust": "off"}]
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=host.environment,
            cwd=host.top,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(made).encode())
        process.stdin.close()
        connection, _ = silent.accept()
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        process.send_signal(signal.SIGQUIT)
        status = os.waitpid(process.pid, 0)[1]
        connection.close()
    assert os.WTERMSIG(status) == signal.SIGQUIT and not os.WCOREDUMP(status)
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4] == "1"  # with 0, a program that takes dumps would still be given one
    assert not list(host.top.glob("core*"))


def test_words_of_services_and_checks_are_told_without_secrets(host: Host) -> None:
    """A service that does not start says with which password it tried, and so does a check: in
    events, on standard error, in the history, which read-only callers see."""
    path = host.root / "active/etc/password"
    host.add("db--1", {"units/db.service": UNIT, "check/asks": f"#!/bin/sh\ncat {path}; exit 1\n"})
    unmet = document(host, packages=["web", "db"], health={"checks": True})
    told = [host.apply(unmet, "--format=ndjson")]
    assert told[0].returncode == 65 and b"db--1 asks: exit code 1: \xe2\x80\xa6" in told[0].stderr
    failed = "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\n"
    host.tools.answer("systemctl-start", 1, "")
    host.tools.answer("systemctl-show", 0, f"Id=web.service\n{failed}")
    host.tools.answer("journalctl", 0, f"{FILED} and {CANARY}: denied")
    told.append(host.apply(document(host), "--format=ndjson"))
    assert told[1].returncode == 74 and b"denied" in told[1].stderr
    assert b'"log":"\xe2\x80\xa6 and \xe2\x80\xa6: denied"' in told[1].stdout
    told.append(host.run("history", "--format=json"))
    for done in told:
        assert not any(each in done.stdout + done.stderr for each in BOTH), done.args
    for record in host.root.glob("provisioner/runs/*/record.json"):
        assert not any(each in record.read_bytes() for each in BOTH)


def test_redaction() -> None:
    key = "-----BEGIN KEY-----\nabcdefgh12345678\nshort\n"
    redaction = Redaction(["4711", "471199", "abc", "", key])
    assert redaction.text("4711 471199 abc abcdefgh12345678 short") == "… … abc … short"
    with_newline = Redaction(["password\n"])
    assert with_newline.text("the password.") == "the …."


def test_a_plan_warns_of_values_that_sound_like_secrets(host: Host) -> None:
    values = {
        "db": {"Password": CANARY, "token_file": "/etc/token", "empty_password": ""},
        "api_token": "x",
        "tokens": 3,
    }
    made = profile(packages=["web"], configuration=configuration(values=values))
    said = host.run("plan", "-", stdin=json.dumps(made).encode()).stderr.decode()
    warned = [line for line in said.splitlines() if "may be a secret" in line]
    assert [line.split("configuration.")[1].split()[0] for line in warned] == [
        "values.db.Password",
        "values.api_token",
    ]
    assert CANARY not in said
