"""The authorities that the host believes are those that packager and provisioner believe."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import fork_server
from tests.support.file_systems import why_no_mounts
from tests.support.host_packages import archive
from tests.support.packager_command import environment, packager
from tests.support.profile_host import Host as ProfileHost
from tests.support.profile_host import profile
from tests.support.web_server import body, serve, status

# A key that protects nothing, and its own certificate for "localhost", good for a century.
CERTIFICATE = Path(__file__).parents[2] / "support/localhost.pem"
ARCHIVE = archive({"bin/hello": "hello"})


def server_side() -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE)
    return tls


@pytest.fixture
def url() -> Iterator[str]:
    with serve(body(ARCHIVE), tls=server_side()) as web:
        yield web.url("/hello--1.0.tar", host="localhost").replace("http:", "https:")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """As `openssl rehash` makes one."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    words = ["openssl", "x509", "-hash", "-noout", "-in", str(CERTIFICATE)]
    hashed = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    made = tmp_path / "authorities"
    made.mkdir()
    (made / f"{hashed}.0").symlink_to(CERTIFICATE)
    return made


def test_an_unknown_authority_is_not_believed(root: Path, url: str) -> None:
    done = packager(root, "add", url)
    assert done.returncode == 76
    assert b"not trusted" in done.stderr and b"SSL_CERT_FILE" in done.stderr


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_file_in_a_variable(root: Path, url: str, variable: str) -> None:
    here = environment(root, **{variable: str(CERTIFICATE)})
    done = fork_server.run(["packager", "add", url], here)
    assert done.returncode == 0, done.stderr


def test_a_directory_in_a_variable(root: Path, url: str, directory: Path) -> None:
    for value in (str(directory), f"{root.parent}:{directory}"):
        done = packager(root, "add", url, SSL_CERT_DIR=value)
        assert done.returncode == 0, done.stderr


def test_the_variables_of_requests_stand_alone(root: Path, url: str, tmp_path: Path) -> None:
    """An authority that they do not have is not believed, whatever the system's store has."""
    other = tmp_path / "other.pem"
    other.write_text(ssl.DER_cert_to_PEM_cert(_other_certificate()))
    done = packager(root, "add", url, REQUESTS_CA_BUNDLE=str(other), SSL_CERT_FILE=str(CERTIFICATE))
    assert done.returncode == 76, done.stderr


def _other_certificate() -> bytes:
    context = ssl.create_default_context(cafile=_bundle())
    return context.get_ca_certs(binary_form=True)[0]


def _bundle() -> str:
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    return DEFAULT_CA_BUNDLE_PATH


@pytest.mark.skipif(bool(why_no_mounts("bind")), reason=why_no_mounts("bind"))
@pytest.mark.parametrize("bundle", ["ssl/certs/ca-certificates.crt", "pki/tls/certs/ca-bundle.crt"])
def test_the_system_s_own_store(root: Path, url: str, tmp_path: Path, bundle: str) -> None:
    etc = tmp_path / "copy-of-etc"
    etc.mkdir()
    for name in ("hosts", "nsswitch.conf", "passwd", "group", "resolv.conf"):
        if Path("/etc", name).exists():
            shutil.copy(f"/etc/{name}", etc / name)
    (etc / bundle).parent.mkdir(parents=True)
    shutil.copy(CERTIFICATE, etc / bundle)
    done = fork_server.run(["packager", "add", url], environment(root), mounts={"/etc": etc})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
def test_a_variable_that_names_nothing(root: Path, variable: str) -> None:
    words = ["packager", "add", "--retries=0", "https://localhost:1/a--1.tar"]
    done = fork_server.run(words, environment(root, **{variable: "/nowhere/ca"}))
    assert done.returncode == 78 and b"/nowhere/ca" in done.stderr, done.stderr


def test_a_file_without_a_certificate(root: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("none\n")
    url = "https://localhost:1/a--1.tar"
    done = packager(root, "add", "--retries=0", url, SSL_CERT_FILE=str(empty))
    assert done.returncode == 78 and b"no certificate in PEM" in done.stderr


@pytest.mark.parametrize(
    ("more", "environment_more", "reason"),
    [
        ({}, {}, "not trusted"),
        ({"ca": str(CERTIFICATE)}, {}, None),
        ({"ca": False}, {}, None),
        ({}, {"SSL_CERT_FILE": str(CERTIFICATE)}, None),
        ({}, {"REQUESTS_CA_BUNDLE": str(CERTIFICATE)}, None),
        ({}, {"SSL_CERT_FILE": "/nowhere/ca"}, "/nowhere/ca"),
        ({"ca": "/nowhere/ca"}, {"SSL_CERT_FILE": str(CERTIFICATE)}, "/nowhere/ca"),
        ({"ca": _bundle()}, {"SSL_CERT_FILE": str(CERTIFICATE)}, "not trusted"),
    ],
)
def test_probes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: dict[str, Any],
    environment_more: dict[str, str],
    reason: str | None,
) -> None:
    host = ProfileHost(tmp_path)
    host.add("a--1", {"bin/a": "a"})
    here = host.environment
    monkeypatch.setattr(ProfileHost, "environment", {**here, **environment_more})
    with serve(status("200 OK"), tls=server_side()) as web:
        probe = {"url": web.url("/", host="localhost").replace("http:", "https:"), **more}
        events = host.events(profile(packages=["a"], health={"http": [probe]}))
    (found,) = [each for each in events if each["event"] == "probe"]
    assert found["ok"] is (reason is None), found
    assert reason is None or reason in found["reason"]


@pytest.mark.parametrize("ca", [True, "", "ca.pem", 1])
def test_what_a_probe_may_say_of_authorities(tmp_path: Path, ca: object) -> None:
    host = ProfileHost(tmp_path)
    http = [{"url": "https://localhost/", "ca": ca}]
    done = host.apply(profile(health={"http": http}))
    assert done.returncode == 65 and b"health.http[0].ca" in done.stderr, done.stderr
