"""The configuration file: what it says, and what is wrong with it, where."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packager.base.errors import ConfigError
from packager.repositories.configuration_file import load, parse

KEY = "ed25519:" + "0f" * 32
GOOD = f"""
[[repositories]]
name = "main"
url = "https://repo.example/packages"
mirrors = ["http://user:pass@mirror.example:8080/"]
keys = ["{KEY}", "ed25519:{"AB" * 32}"]
threshold = 2

[[repositories]]
name = "old"
url = "http://old.example/"
trust = "off"
layout = "pkgpanda"
"""


def test_a_whole_file() -> None:
    main, old = parse(GOOD.encode(), "c.toml")
    assert main.urls == ("https://repo.example/packages/", "http://user:pass@mirror.example:8080/")
    assert (main.trust, main.keys, main.threshold) == ("require", ("0f" * 32, "ab" * 32), 2)
    assert (old.name, old.trust, old.layout, old.keys) == ("old", "off", "pkgpanda", ())


def one(**fields: str) -> str:
    known = {"name": '"a"', "url": '"http://a.example"', "trust": '"off"', **fields}
    lines = [f"{key} = {value}" for key, value in known.items() if value]
    return "\n".join(["[[repositories]]", *lines])


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("[[repositories]\n", "", "line 1"),
        ("a = 1\na = 2\n", "", "line 2"),
        ("\ud800", "", ""),
        ("repos = []", "repos", "unknown key"),
        ("repositories = 1", "repositories", "list"),
        ("repositories = [1]", "repositories[0]", "table"),
        (one(colour='"red"'), "repositories[0].colour", "unknown key"),
        (one(name=""), "repositories[0]", "no name"),
        (one(url=""), "repositories[0]", "no url"),
        (one(name='"../x"'), "repositories[0].name", "'../x'"),
        (one(name='"A"'), "repositories[0].name", "'A'"),
        (one(name="1"), "repositories[0].name", "string is needed, not a number"),
        (one(name="1979-05-27"), "repositories[0].name", "a date"),
        (one(url='"ftp://a.example/"'), "repositories[0].url", "http"),
        (one(url='"srv/packages"'), "repositories[0].url", "or the path of a directory"),
        (one(url='"/srv/\\u0000"'), "repositories[0].url", "or the path of a directory"),
        (one(url='"file://other/srv"'), "repositories[0].url", "a file of this host"),
        (one(url='"file:///srv?x"'), "repositories[0].url", "no query"),
        (one(url='"http:///x"'), "repositories[0].url", "no host"),
        (one(url='"http://a.example:x/"'), "repositories[0].url", "not a URL"),
        (one(url='"http://[::1/"'), "repositories[0].url", "not a URL"),
        (one(url='"http://a.example/?x=1"'), "repositories[0].url", "query"),
        (one(url='"http://a.example/#x"'), "repositories[0].url", "fragment"),
        (one(url='"http://a.example/a b"'), "repositories[0].url", "percent-encoded"),
        (one(mirrors='"http://b.example"'), "repositories[0].mirrors", "list"),
        (one(mirrors='["http://b.example", 1]'), "repositories[0].mirrors[1]", "string"),
        (one(trust='"maybe"'), "repositories[0].trust", "none of require, warn, off"),
        (one(trust="true"), "repositories[0].trust", "not a boolean"),
        (one(trust='"require"'), "repositories[0].keys", "public keys"),
        (one(trust='"warn"'), "repositories[0].keys", "public keys"),
        (one(trust='"require"', layout='"pkgpanda"'), "repositories[0].trust", "no signatures"),
        (one(keys='["0f"]'), "repositories[0].keys[0]", "64 hexadecimal"),
        (one(keys=f'["{KEY}", "{KEY}"]'), "repositories[0].keys[1]", "twice"),
        (one(keys=f'["{KEY}"]', threshold="2"), "repositories[0].threshold", "only 1"),
        (one(threshold="0"), "repositories[0].threshold", "positive integer"),
        (one(threshold="true"), "repositories[0].threshold", "positive integer"),
        (one(layout='"flat"'), "repositories[0].layout", "none of"),
        (one() + "\n" + one(), "repositories[1].name", "twice"),
    ],
)
def test_errors_name_file_place_and_reason(text: str, place: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text.encode(errors="surrogatepass"), "/etc/c.toml")
    message = str(caught.value)
    assert message.startswith(f"/etc/c.toml: {place}{':' if place else ''}")
    assert reason in message


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=str(tmp_path)):
        load(str(tmp_path))


@given(st.text() | st.text(alphabet='[]="\n.#{}repositoriesurlname'))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ConfigError):
        parse(text.encode(errors="surrogatepass"), "c.toml")
