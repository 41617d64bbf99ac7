"""Profiles and templates that mean harm, or are just wrong: refused by name; nothing changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.profile_host import Host, configuration, profile, template
from tests.support.tar_archives import snapshot


class Refusing(Host):
    """A host that is to refuse things."""

    def refused(self, content: bytes | dict[str, Any], code: int = 65) -> str:
        """Planned and applied, it is refused in the same words, and nothing changes; the words."""
        file = self.top / "given"
        file.write_bytes(json.dumps(content).encode() if isinstance(content, dict) else content)
        before = self._store()
        words = []
        for command in (["plan"], ["apply", "--format=ndjson"]):
            done = self.run(*command, file)
            assert (done.returncode, done.stdout) == (code, b""), done.stderr
            words.append(done.stderr.decode())
        assert words[0] == words[1]
        assert self._store() == before
        assert self.active == []
        return words[0]

    def _store(self) -> dict[str, tuple[object, ...]]:
        found = snapshot(self.root)
        return {path: each for path, each in found.items() if not path.startswith("provisioner")}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Refusing:
    host = Refusing(tmp_path_factory.mktemp("host"))
    host.add("web--1", {"bin/web": "#!/bin/sh\n"})
    return host


LAUGHS = b"a: &a [x, x]\n" + b"".join(
    b"%c: &%c [*%c, *%c]\n" % (n + 1, n + 1, n, n) for n in range(ord("a"), ord("z"))
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"\n  \n", "it is empty"),
        (b"just words", "a profile is an object"),
        (b"[1, 2]", "a profile is an object"),
        (b"\xff\xfe", "it is not UTF-8 (byte 0)"),
        (b'{"profile": 1', "line 1, column 14: not JSON"),
        (b'{"profile": 1, "profile": 2}', "the key 'profile' is there twice"),
        (b"profile: 1\nprofile: 1\n", "line 2: the key 'profile' is there twice"),
        (b'{"profile": NaN}', "NaN is not a number of JSON"),
        (b'{"profile": 1e999}', "a number in it is too large"),
        (b"profile: .inf", "line 1: infinity and NaN are not numbers of JSON"),
        (b'{"profile": ' + b"9" * 9999 + b"}", "a number that is too long"),
        (b'{"name": "\\ud800"}', "a lone surrogate"),
        (b'{"a":' * 100_000, "nested more than 64 levels deep"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "nested more than 64 levels deep"),
        (b"- " * 100 + b"x", "nested more than 64 levels deep"),
        (b"[" * 100_000, "nested more than 64 levels deep"),
        (LAUGHS, "line 2: aliases are refused"),
        (b"!!python/object/apply:os.system ['true']", "line 1: tags (!…) are refused"),
        (b"a: !!binary aGk=", "line 1: tags"),
        (b"a: 1\n---\nb: 2", "line 2: a second document begins"),
        (b"a: 'x", "line 1, column 6: not YAML"),
        (b"a: \x00", "not YAML"),
        (b"? [a, b]\n: 1", "line 1: a key must be text"),
        (b"1: a", "line 1: a key must be text"),
        (b"x" * (4 << 20) + b"y", "at most 4194304 bytes"),
    ],
)
def test_documents(host: Refusing, content: bytes, words: str) -> None:
    said = host.refused(content)
    assert f"{host.top / 'given'}: " in said and words in said


def test_yaml_is_that_of_version_1_2(host: Refusing) -> None:
    text = """\
profile: 1
name: yaml   # a comment
packages: [web]
configuration:
  values: {norway: no, on: yes, octal: 0o17, plain: 017, time: 1:20, date: 2024-01-01, nothing: ~}
  files:
  - path: etc/x
    template: |
      {{ values | tojson }}
health: {checks: false}
"""
    plan = host.json("plan", "-", stdin=text.encode())
    shown = plan["configuration"]["files"][0]["diff"].splitlines()[-1].removeprefix("+")
    assert json.loads(shown) == {
        "norway": "no",
        "on": "yes",
        "octal": 15,
        "plain": 17,
        "time": "1:20",
        "date": "2024-01-01",
        "nothing": None,
    }


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"colour": 1}, "the profile: colour is not known; there are profile, name"),
        ({"profile": 2}, "profile: it should be the version of this format: 1"),
        ({"name": "a--b"}, "name: it should be at most 64 of"),
        ({"name": "a" * 65}, "name: it should be at most 64 of"),
        ({"packages": "web"}, "packages: it should be a list"),
        ({"packages": ["web", "web"]}, "packages: an entry is there twice"),
        ({"packages": ["../x"]}, "packages[0]: '../x' is not a package id"),
        ({"packages": ["web-config"]}, "web-config is made of this profile's configuration"),
        ({"packages": []}, "it has neither packages nor files"),
        ({"roles": ["a/b"]}, "roles[0]: it should be a role"),
        ({"on_failure": "panic"}, "on_failure: it should be what to do"),
        ({"health": {"timeout": 0}}, "health.timeout: it should be seconds"),
        ({"health": {"http": [{"url": "file:///etc/passwd"}]}}, "health.http[0].url: it should be"),
        ({"health": {"units": ["--help"]}}, "health.units[0]: it should be the name of a unit"),
        ({"repositories": [{"name": "x"}]}, "repositories[0]: it has no url"),
        ({"configuration": {"secrets": {"a-b": "x"}}}, "configuration.secrets: a-b: it should be"),
    ],
)
def test_profiles(host: Refusing, more: dict[str, Any], words: str) -> None:
    assert words in host.refused({"profile": 1, "name": "web", "packages": ["web"], **more})


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([{"path": "../etc/passwd", "content": ""}], "files[0].path: it has . or .. in it"),
        ([{"path": "etc/../../x", "content": ""}], "files[0].path: it has . or .. in it"),
        ([{"path": "/etc/passwd", "content": ""}], "files[0].path: it is absolute"),
        ([{"path": "", "content": ""}], "files[0].path: it is empty"),
        ([{"path": "etc//x", "content": ""}], "files[0].path: it is empty, has an empty part"),
        ([{"path": "etc/a\nb", "content": ""}], "files[0].path: it has a control character"),
        ([{"path": "etc/" + "x" * 300, "content": ""}], "files[0].path: it is longer"),
        (
            [{"path": "etc/x", "content": ""}] * 2,
            "files[1].path: files[0] has the same path, etc/x",
        ),
        (
            [{"path": "etc/x", "content": ""}, {"path": "etc/x/y", "content": ""}],
            "files[1].path: etc/x/y lies below etc/x, which is a file (files[0])",
        ),
        ([{"path": "pkginfo.json", "content": "{}"}], "pkginfo.json is packager's own"),
        ([{"path": "units/x.service", "content": ""}], "files[0].path: units come from packages"),
        ([{"path": "dcos.target.wants_r/x.service", "content": ""}], "units come from packages"),
        ([{"path": "etc/x", "content": "", "mode": "4755"}], "files[0].mode: it should be"),
        ([{"path": "etc/x", "content": "", "mode": "0666"}], "files[0].mode: only the owner may"),
        ([{"path": "etc/x", "content": "", "mode": "0044"}], "files[0].mode: the owner must"),
        ([{"path": "etc/x"}], "files[0]: it needs one of template, content and from"),
        ([{"path": "etc/x", "content": "", "template": ""}], "files[0]: it needs one of"),
        (
            [{"path": "etc/x", "from": {"package": "web", "path": "../../manifests/web--1"}}],
            "files[0].from.path: it has . or .. in it",
        ),
    ],
)
def test_files(host: Refusing, files: list[dict[str, Any]], words: str) -> None:
    assert words in host.refused(profile(packages=["web"], configuration={"files": files}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ values.db }}", "etc/x, line 1: 'values.db' is undefined"),
        ("\n\n{{ db }}", "etc/x, line 3: 'db' is undefined"),
        ("{{ values.deep.er }}", "etc/x, line 1: 'er' is undefined, in an object that is there"),
        ("{{ x", "etc/x, line 1: unexpected end of template"),
        ("{% include '/etc/passwd' %}", "etc/x, line 1: no loader"),
        ("{{ ''.__class__.__mro__ }}", "etc/x, line 1: access to attribute '__class__'"),
        ("{{ values.__class__ }}", "access to attribute '__class__'"),
        ("{{ ''|attr('__class__') }}", "access to attribute '__class__'"),
        ("{{ cycler.__init__.__globals__.os }}", "access to attribute '__init__'"),
        ("{{ self.__init__ }}", "access to attribute '__init__'"),
        ("{{ '{0.__class__}'.format(values) }}", "access to attribute '__class__'"),
        ("{{ values.list.append(1) }}", "access to attribute 'append' of 'list' object is unsafe"),
        ("{{ 'a' * 10**9 }}", "etc/x, line 1: it needs more than 256 MiB of memory"),
        ("{{ '%1000000000d' % 1 }}", "it needs more than 256 MiB of memory"),
        ("{{ range(10**9)|list }}", "Range too big"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "maximum recursion depth exceeded"),
        (
            "{% for a in range(90000) %}{{ 'x' * 99 }}{% endfor %}",
            "etc/x: its result has more than 4194304 bytes",
        ),
        ("{{ 1 / 0 }}", "etc/x, line 1: division by zero"),
        ("{{ '\\ud800' }}", "etc/x: its result is not Unicode"),
        ("{{ 3 ** (10 ** 9 + values.one) }}", "etc/x"),
    ],
)
def test_templates(host: Refusing, text: str, words: str) -> None:
    made = configuration(template("etc/x", text), values={"deep": {}, "list": [], "one": 1})
    assert words in host.refused(profile(packages=["web"], configuration=made))


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        (["nothing"], 66, "nothing: no package is or provides nothing: add it to the store"),
        (["web>=2"], 66, "web>=2: there is only web--1"),
        (["web--2"], 66, "web--2: there is only web--1"),
        (["web", "web--1", "web<1"], 66, "web<1"),
    ],
)
def test_packages_that_can_not_be_had(
    host: Refusing, packages: list[str], code: int, words: str
) -> None:
    assert words in host.refused(profile(packages=packages), code)


def test_a_link_of_a_package_is_not_a_way_out(host: Refusing) -> None:
    """A template comes from its package, also if somebody has put a link there."""
    host.add("linked--1", {"templates/x": "x"})
    place = host.root / "packages/linked--1/templates/y"
    place.symlink_to("/etc/passwd")
    source = {"path": "etc/x", "from": {"package": "linked", "path": "templates/y"}}
    made = profile(packages=["linked"], configuration={"files": [source]})
    assert "templates/y is a link that leads out of the package" in host.refused(made)
