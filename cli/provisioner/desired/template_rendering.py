"""What a template sees, how it is rendered, and what is said of one that is wrong.

Templates see `values`, `secrets`, `facts`, `roles` and `profile.name`. Whether a file holds a
secret is known by the access to it, not by looking for it in the text; so what was only compared
counts, too. No message has anything of the document in it but what the template's own text has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from provisioner.base.optional_libraries import needed

with needed("templates"):
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

if TYPE_CHECKING:
    from collections.abc import Sequence

MEMORY = 256 << 20  # bytes, beyond what the process has before
LARGEST = 4 << 20  # bytes of one rendered file
WITHHELD = "…"
# Errors whose messages have no values in them but between quotes.
HARMLESS = (jinja2.TemplateError, TypeError, ArithmeticError, RecursionError)
KINDS = {"str": "a text", "int": "a number", "float": "a number", "bool": "a boolean"}
KINDS |= {"list": "a list", "dict": "an object", "tuple": "a list", "NoneType": "null"}
QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")


class Template:
    """One template: `place` is how it is called in messages."""

    __slots__ = ("place", "text")

    def __init__(self, place: str, text: str) -> None:
        self.place = place
        self.text = text


class Names:
    """What templates see. `facts` is only asked for the ones that are used."""

    __slots__ = ("facts", "profile", "roles", "secrets", "values")

    def __init__(
        self,
        *,
        profile: str,
        roles: Sequence[str],
        values: Mapping[str, Any],
        secrets: Mapping[str, str],
        facts: Mapping[str, Any],
    ) -> None:
        self.profile = profile  # its name
        self.roles = tuple(roles)
        self.values = values
        self.secrets = secrets
        self.facts = facts


def render_one(
    environment: jinja2.Environment, template: Template, names: Names
) -> dict[str, object]:
    secrets = _Watched("secrets", names.secrets)
    facts = _Watched("facts", names.facts)
    try:
        code = environment.compile(template.text, template.place, template.place)
        made = environment.template_class.from_code(
            environment, code, environment.make_globals(None)
        )
        pieces = []
        size = 0
        for piece in made.generate(
            values=_Named("values", names.values),
            secrets=secrets,
            facts=facts,
            roles=names.roles,
            profile=_Named("profile", {"name": names.profile}),
        ):
            pieces.append(piece)
            size += len(piece)
            if size > LARGEST:
                return {"error": f"{template.place}: it becomes larger than {LARGEST} bytes"}
        text = "".join(pieces)
        text.encode()
    except Exception as error:
        return {"error": _words(error, template)}
    return {"text": text, "secret": bool(secrets._used), "facts": sorted(facts._used)}


class _Named(dict[str, Any]):
    """One of the names that templates begin with; it knows what it is called."""

    def __init__(self, label: str, content: Mapping[str, Any]) -> None:
        super().__init__(content)
        self._label = label  # the sandbox keeps templates from names with _


class _Watched(Mapping[str, Any]):
    """The same, and `_used` has the keys that were looked at. It is no dict, which the library's
    own code would look into behind our back."""

    def __init__(self, label: str, content: Mapping[str, Any]) -> None:
        self._label = label
        self._content = content
        self._used: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self._used.add(str(key))
        return self._content[key]

    def __iter__(self) -> Iterator[str]:
        self._used.update(self._content)
        return iter(self._content)

    def __len__(self) -> int:
        self._used.update(self._content)
        return len(self._content)

    def __repr__(self) -> str:
        return f"<{self._label}>"


class _Undefined(jinja2.StrictUndefined):
    """What is not there, by the name that it was asked for with."""

    @property
    def _undefined_message(self) -> str:
        name, owner = self._undefined_name, self._undefined_obj
        if self._undefined_hint:
            return self._undefined_hint
        if isinstance(owner, _Named | _Watched):
            return f"'{owner._label}.{name}' is undefined"
        kind = "" if owner is jinja2.utils.missing else f", in {_kind(owner)} that is there"
        return f"'{name}' is undefined{kind}"


def make_environment() -> jinja2.Environment:
    made = ImmutableSandboxedEnvironment(
        undefined=_Undefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=0,
    )
    # The same profile gives the same files: nothing that is left to chance.
    del made.globals["lipsum"]
    del made.filters["random"]
    return made


def _words(error: Exception, template: Template) -> str:
    """What a person is told: the template, the line, the reason; no value."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        return f"{template.place}, line {error.lineno}: {error.message}"
    line = _line(error, template.place)
    here = f"{template.place}, line {line}" if line else template.place
    if isinstance(error, MemoryError):
        return f"{here}: it needs more than {MEMORY >> 20} MiB of memory"
    if isinstance(error, UnicodeEncodeError):
        return f"{here}: what it becomes is not Unicode"
    said = QUOTED.sub(lambda match: _literal(match, template.text), str(error))
    if isinstance(error, HARMLESS):
        return f"{here}: {said}"
    return f"{here}: {type(error).__name__}: {said if said != str(error) else WITHHELD}"


def _literal(match: re.Match[str], text: str) -> str:
    """What stands between quotes in a message, if the template itself has it."""
    inner = match[1] if match[1] is not None else match[2]
    known = inner in KINDS or all(part in text for part in inner.split("."))
    return match[0] if known else f"'{WITHHELD}'"


def _kind(value: object) -> str:
    return KINDS.get(type(value).__name__, "something")


def _line(error: Exception, place: str) -> int | None:
    found = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == place:
            found = trace.tb_lineno
        trace = trace.tb_next
    return found
