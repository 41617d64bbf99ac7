"""What templates see, what is printed for it, and what their limits say."""

from __future__ import annotations

import resource
import signal
import subprocess
from pathlib import Path

import pytest
from packager.base.errors import DataError
from provisioner.desired import template_process
from provisioner.desired.template_process import RenderedTemplate, render_templates
from provisioner.desired.template_rendering import Template, TemplateVariables

from tests.support.profile_host import Host, configuration, profile, template

SECRET = "it's \"4711%z\" 'n\\o"
VARIABLES = TemplateVariables(
    profile_name="web",
    roles=["a", "b"],
    values={
        "items": [1, True, None, "x"],
        "empty": {},
        "keyed": {"keys": "K", "b": 1},
        "yes": True,
        "nothing": None,
        "users": [{"name": "a"}, {"name": "b"}],
    },
    secrets={"pin": SECRET},
    facts={"address": {"ipv4": None, "ipv6": "::1"}, "time_zone": None, "disks": [{"model": None}]},
)


def render(text: str) -> RenderedTemplate:
    return render_templates([Template("etc/x", text)], VARIABLES)[0]


def refusal(text: str) -> str:
    with pytest.raises(DataError) as raised:
        render(text)
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("{{ values.items }}", '[1, true, null, "x"]'),
        ("{{ values.keyed.keys }}", "K"),
        ("{{ values.keyed.keys is string }}", "true"),
        ("{{ values.keyed.b }}{{ values['items'][3] }}", "1x"),
        ("{% for k, v in values.keyed.items() %}{{ k }}={{ v }};{% endfor %}", "keys=K;b=1;"),
        ("{{ values.empty.items | default('none') }}", "none"),
        ("{{ 'abc'.upper() }}", "ABC"),
    ],
)
def test_a_key_comes_before_a_method(text: str, printed: str) -> None:
    assert render(text).text == printed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n{{ values.empty.items }}", "etc/x, line 2: 'items' is undefined, in an object"),
        ("{{ values.copy }}", "etc/x, line 1: 'values.copy' is undefined; the method of this name"),
        ("{{ values.get ~ '' }}", "'values.get' is undefined"),
        ("{% if values.empty.items %}{% endif %}", "'items' is undefined"),
        ("{% for x in values.empty.items %}{% endfor %}", "'items' is undefined"),
        ("{{ [values.empty.items] }}", "'items' is undefined"),
        ("{{ values.empty | attr('items') }}", "'items' is undefined"),
        ("{{ values.empty['items'] }}", "'items' is undefined"),
        ("{{ '%s' % values.empty.items }}", "'items' is undefined"),
        ("{{ '{0.items}'.format(values.empty) }}", "'items' is undefined"),
        ("{{ 'abc'.upper }}", "'upper' is undefined, in a text that is there"),
        ("{{ self.x }}{% block x %}{% endblock %}", "'x' is undefined"),
        ("{% macro f() %}{% endmacro %}{{ f }}", "what is printed is a function"),
        ("{{ range }}", "what is printed is a function"),
        ("{{ joiner() }}", "what is printed is a function"),
        ("{{ [joiner()] }}", "it contains something that JSON has no word for"),
        ("{{ cycler(1) | string }}", "what is printed is a function"),
        ("{{ range(3) }}", "what is printed is a series of values: use a loop, or the filter list"),
        ("{{ values.empty.items() }}", "what is printed is a series of values"),
    ],
)
def test_what_is_no_value_is_not_printed(text: str, words: str) -> None:
    """Python would print an address: every apply would make another generation of it."""
    said = refusal(text)
    assert said.startswith("etc/x, line ") and words in said and " at 0x" not in said


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("{{ values.yes }} {{ values.nothing }} {{ not values.yes }}", "true null false"),
        ("{{ true }} {{ none }}", "true null"),
        ("{{ 'a' ~ values.yes ~ none }}", "atruenull"),
        ("{{ values.yes | string }}{{ values.nothing | trim }}{{ true | upper }}", "truenullTRUE"),
        ("{{ values.items | join(',') }}", "1,true,null,x"),
        ("{{ values.users | join('-', attribute='name') }}", "a-b"),
        ("{{ roles }}", '["a", "b"]'),
        ("{{ values.keyed }}", '{"keys": "K", "b": 1}'),
        ("{{ values.users | map(attribute='name') }}", '["a", "b"]'),
        ("{{ [3, 1, 3] | unique | reverse }}", "[1, 3]"),
        ("{{ ['<&', \"'\"] | tojson }}", '["<&", "\'"]'),
        ("{{ 1.5 }} {{ 10 ** 20 }} {{ -1 }}", "1.5 100000000000000000000 -1"),
    ],
)
def test_what_is_printed_is_text_or_json(text: str, printed: str) -> None:
    assert render(text).text == printed


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a\r\nb\r\n", "a\r\nb\r\n"),
        ("a\r\nb\nc\rd\n\r\n", "a\r\nb\nc\rd\n\r\n"),
        ("a\r\n{% if true %}\r\nb\r\n{% endif %}\r\nc\n", "a\r\nb\r\nc\n"),
        ("{% raw %}\r\n{{\r\n{% endraw %}\r\n{{ 'x\r\ny' }}\r\n", "\r\n{{\r\nx\r\ny\r\n"),
        ("a\r\n{#- c\r\nd -#}\r\nb\nc\r\n", "ab\nc\r\n"),
    ],
)
def test_line_ends_are_those_of_the_template(text: str, printed: str) -> None:
    assert render(text).text == printed


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a {% if true %}b{% endif %}\nc\n", "a b\nc\n"),  # not: a bc
        ("{% if true %}b{% endif %}\nc", "b\nc"),
        ("{{ 1 }}{# c #}\nd", "1\nd"),
        ("{% if true %}\nb\n{% endif %}\nc\n", "b\nc\n"),
        ("  {% if true %}{% set x = 1 %}\nb\n  {% endif %}  \nc", "b\n  \nc"),
        ("x\n{# c\nd #}\ny", "x\ny"),
        ("{% if true +%}\nb{% endif %}\n", "\nb\n"),
        ("{% if true -%}\n  b\n{%- endif %}\nc", "b\nc"),
        ("{% for i in [1, 2] %}\n{{ i }}\n{% endfor %}\ne", "1\n2\ne"),
        ("{% for i in [1, 2] %}{{ i }},{% endfor %}\ne", "1,2,\ne"),
        ("{% if true\n and true %}\nb\n{% endif %}", "b\n"),
        ("{% raw %}a{% endraw %}\nb", "a\nb"),
        ("a\r\n{% if true %}b{% endif %}\r\nc\r\n", "a\r\nb\r\nc\r\n"),
        ("{% if false %}\nx\n{% endif %}\n", ""),
    ],
)
def test_only_lines_of_nothing_but_tags_go(text: str, printed: str) -> None:
    assert render(text).text == printed


def test_the_line_in_a_message_is_right_behind_such_lines() -> None:
    text = "{% if true %}\n{# x #}\n{% endif %}\r\n{% if true %}y{% endif %}\n{{ gone }}"
    assert "etc/x, line 5: 'gone' is undefined" in refusal(text)


@pytest.mark.parametrize("value", ["plain", "a b", 'it\'s $x `y` "z" \\', "", "new\nline", True])
def test_quote_is_what_a_shell_reads(value: object) -> None:
    variables = TemplateVariables(
        profile_name="p", roles=[], values={"v": value}, secrets={}, facts={}
    )
    text = render_templates([Template("etc/x", "v={{ values.v | quote }}\n")], variables)[0].text
    done = subprocess.run(
        ["/bin/sh", "-c", f'{text}printf %s "$v"'], capture_output=True, text=True, check=True
    )
    assert done.stdout == ("true" if value is True else value)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("{{ values.gone.deep.er | default('d') }}", "d"),
        ("{{ values.gone['deep'][0] | default('d') }}", "d"),
        ("{{ values.gone.deep is defined }}", "false"),
        ("{{ facts.address.ipv4.first | default('d') }}", "d"),
        ("{{ values.users | map(attribute='gone.deep') | map('default', 'd') }}", '["d", "d"]'),
    ],
)
def test_default_helps_with_what_is_in_something_undefined(text: str, printed: str) -> None:
    assert render(text).text == printed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ values.gone.deep }}", "'values.gone' is undefined"),
        ("{{ gone.deep.er }}", "'gone' is undefined"),
        ("{{ values.gone.deep() }}", "'values.gone' is undefined"),
        ("{{ values.local-hostname }}", "'values.local' is undefined"),  # write values['local-…']
        ("{{ ''.__class__.__mro__ | default('x') ~ ''.__class__ }}", "access to attribute"),
        ("{{ secrets.gone.deep }}", "'secrets.gone' is undefined"),
    ],
)
def test_what_is_first_missing_is_named(text: str, words: str) -> None:
    assert words in refusal(text)


def test_a_fact_that_is_not_known_is_undefined() -> None:
    text = "{{ facts.address.ipv4 | default('-') }}{{ facts.time_zone | default('UTC') }}"
    found = render(text + "{{ facts.disks[0].model is defined }}")
    assert found.text == "-UTCfalse"
    assert found.facts == ["address", "disks", "time_zone"]
    assert "'facts.time_zone' is undefined" in refusal("{{ facts.time_zone }}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ secrets.pin % 3 }}", "etc/x, line 1: ValueError: …"),
        ("{{ values[secrets.pin] }}", "etc/x, line 1: something in it is undefined"),
        ("{{ secrets[secrets.pin] }}", "etc/x, line 1: something in it is undefined"),
        ("{{ secrets.pin }}\n{{ values.gone }}", "etc/x, line 2: 'values.gone' is undefined"),
        ("{{ secrets.pin }}{{ gone.deep }}", "etc/x, line 1: 'gone' is undefined"),
        ("{{ secrets.pin }}{{ secrets.other }}", "etc/x, line 1: 'secrets.other' is undefined"),
        ("{{ secrets.pin + 1 }}", "etc/x, line 1: TypeError: …"),
        ("{{ secrets.pin | float / 0 }}", "etc/x, line 1: ZeroDivisionError: …"),
        ("{{ [].index(secrets.pin) }}", "etc/x, line 1: ValueError: …"),
        ("{{ '{z}'.format(**secrets) }}", "etc/x, line 1: KeyError: …"),
        ("{{ {}[secrets.pin].x }}", "etc/x, line 1: something in it is undefined"),
        ("{{ [1] | map(secrets.pin) }}", "etc/x, line 1: TemplateRuntimeError: …"),
        ("{{ '' | attr(secrets.pin) }}", "etc/x, line 1: something in it is undefined"),
    ],
)
def test_no_message_has_a_part_of_a_secret(text: str, words: str) -> None:
    said = refusal(text)
    assert words in said
    assert not any(part in said for part in ("it's", "4711", "'z'", "0x7a", "n\\"))


def test_a_template_has_its_time_for_itself() -> None:
    """Each takes a part of the limit, all of them more than it."""
    text = "{% for a in range(40) %}{% for b in range(9000) %}{% endfor %}{% endfor %}"
    count = 1 + int(template_process.MAX_CPU_SECONDS / cpu_seconds(text))
    assert len(render_templates([Template("etc/x", text)] * count, VARIABLES)) == count


def cpu_seconds(text: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    render(text)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def test_the_limit_that_is_met_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    monkeypatch.setattr(template_process, "MAX_CPU_SECONDS", 0.2)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPROF})
    try:
        assert "more than 0.2 s of processor time, which is the limit of one" in refusal(endless)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    monkeypatch.setattr(template_process, "MAX_CPU_SECONDS", 60)
    monkeypatch.setattr(template_process, "MAX_CPU_SECONDS_IN_ALL", 1)
    assert "all templates takes more than 1 s of processor time" in refusal(endless)
    monkeypatch.setattr(template_process, "MAX_WALL_SECONDS", 0.01)
    assert "not rendered within 0.01 s" in refusal(endless)


def test_the_same_profile_makes_the_same_generation(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.add("web--1", {"bin/web": ""})
    text = "{{ values.items }} {{ [2, 1] | map('string') }}\r\n"
    made = configuration(template("etc/x", text), values={"items": True})
    document = profile(packages=["web"], configuration=made)
    first = host.applied(document)
    (host.root / "active/etc/x").unlink()  # so it is looked at anew
    second = host.applied(document)
    assert (host.root / "active/etc/x").read_bytes() == b'true ["2", "1"]\r\n'
    assert first["generation"] == second["generation"]
