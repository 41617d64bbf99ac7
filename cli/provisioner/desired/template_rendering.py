"""Renders one template: which variables it has, and the message for one that is wrong.

Templates see `values`, `secrets`, `facts`, `roles` and `profile.name`. Whether a file contains a
secret is known by the access to it, not by looking for it in the text; so one that was only
compared counts, too. No message contains a value, only what the template's own text contains.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypedDict

from packager.base.optional_libraries import required_library

with required_library("templates", extra="provisioner"):
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_MEMORY_BYTES = 256 << 20  # beyond what the process has before
MAX_RENDERED_BYTES = 4 << 20  # of one file
REDACTED = "…"
# Errors whose messages contain values only between quotes.
SAFE_ERRORS = (jinja2.TemplateError, TypeError, ArithmeticError, RecursionError)
TYPE_NAMES = {"str": "a text", "int": "a number", "float": "a number", "bool": "a boolean"}
TYPE_NAMES |= {"list": "a list", "dict": "an object", "tuple": "a list", "NoneType": "null"}
QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")


class Template:
    """One template: `place` is how it is called in messages."""

    __slots__ = ("place", "text")

    def __init__(self, place: str, text: str) -> None:
        self.place = place
        self.text = text


class TemplateVariables:
    """What templates see."""

    __slots__ = ("facts", "profile_name", "roles", "secrets", "values")

    def __init__(
        self,
        *,
        profile_name: str,
        roles: Sequence[str],
        values: Mapping[str, object],
        secrets: Mapping[str, str],
        facts: Mapping[str, object],
    ) -> None:
        self.profile_name = profile_name
        self.roles = tuple(roles)
        self.values = values
        self.secrets = secrets
        self.facts = facts


class Rendering(TypedDict, total=False):
    """text, secret (whether it has read a secret) and facts (names of those that it has read); or
    error, a message."""

    text: str
    secret: bool
    facts: list[str]
    error: str


def render_template(
    environment: jinja2.Environment, template: Template, variables: TemplateVariables
) -> Rendering:
    """Render it. A template that is wrong is an `error`."""
    secrets = _RecordingMapping("secrets", variables.secrets)
    facts = _RecordingMapping("facts", variables.facts)
    try:
        code = environment.compile(template.text, template.place, template.place)
        made = environment.template_class.from_code(
            environment, code, environment.make_globals(None)
        )
        pieces: list[str] = []
        size = 0
        for piece in made.generate(
            values=_LabelledDict("values", variables.values),
            secrets=secrets,
            facts=facts,
            roles=variables.roles,
            profile=_LabelledDict("profile", {"name": variables.profile_name}),
        ):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_RENDERED_BYTES:
                reason = f"its result has more than {MAX_RENDERED_BYTES} bytes"
                return {"error": f"{template.place}: {reason}"}
        text = "".join(pieces)
        text.encode()
    except Exception as error:
        return {"error": _explanation(error, template)}
    return {"text": text, "secret": bool(secrets._used), "facts": sorted(facts._used)}


class _LabelledDict(dict[str, object]):
    """A variable that knows what it is called."""

    def __init__(self, label: str, content: Mapping[str, object]) -> None:
        super().__init__(content)
        self._label = label  # the sandbox keeps templates from names with _


class _RecordingMapping(Mapping[str, object]):
    """A variable that records in `_used` which keys were read. It is no dict: the library reads
    those without calling their methods."""

    def __init__(self, label: str, content: Mapping[str, object]) -> None:
        self._label = label
        self._content = content
        self._used: set[str] = set()

    def __getitem__(self, key: str) -> object:
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
    """A variable that is not defined: its message has the name that the template uses."""

    @property
    def _undefined_message(self) -> str:
        name, owner = self._undefined_name, self._undefined_obj
        if self._undefined_hint:
            return self._undefined_hint
        if isinstance(owner, _LabelledDict | _RecordingMapping):
            return f"'{owner._label}.{name}' is undefined"
        kind = "" if owner is jinja2.utils.missing else f", in {_kind(owner)} that is there"
        return f"'{name}' is undefined{kind}"


def make_environment() -> jinja2.Environment:
    """The sandboxed environment that templates are compiled in."""
    made = ImmutableSandboxedEnvironment(
        undefined=_Undefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=0,
    )
    # The same profile gives the same files: nothing random.
    del made.globals["lipsum"]
    del made.filters["random"]
    return made


def _explanation(error: Exception, template: Template) -> str:
    """The message: the template, the line, the reason; no value."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        return f"{template.place}, line {error.lineno}: {error.message}"
    line = _line(error, template.place)
    here = f"{template.place}, line {line}" if line else template.place
    if isinstance(error, MemoryError):
        return f"{here}: it needs more than {MAX_MEMORY_BYTES >> 20} MiB of memory"
    if isinstance(error, UnicodeEncodeError):
        return f"{here}: its result is not Unicode"
    message = QUOTED.sub(lambda match: _literal(match, template.text), str(error))
    if isinstance(error, SAFE_ERRORS):
        return f"{here}: {message}"
    return f"{here}: {type(error).__name__}: {message if message != str(error) else REDACTED}"


def _literal(match: re.Match[str], text: str) -> str:
    """What stands between quotes in a message, if the template itself has it."""
    inner = match[1] if match[1] is not None else match[2]
    known = inner in TYPE_NAMES or all(part in text for part in inner.split("."))
    return match[0] if known else f"'{REDACTED}'"


def _kind(value: object) -> str:
    return TYPE_NAMES.get(type(value).__name__, "something")


def _line(error: Exception, place: str) -> int | None:
    found = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == place:
            found = trace.tb_lineno
        trace = trace.tb_next
    return found
