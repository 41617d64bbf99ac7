"""The sandboxed environment that templates are compiled in, and how what they print becomes text.

Where it differs from Jinja2's own sandbox:

- A key of an object comes before a method of the same name. A method that is not called counts as
  undefined: what Python would print for it has an address, another one in every run.
- What is printed is text, a number, or JSON: `true`, `null`, `["a"]`. Anything else is an error.
- Filters give lists, not generators. `tojson` escapes nothing for HTML, which no file here is.
- What is in something undefined is undefined, so `default` helps with `values.a.b` without an a.
- Line ends stay as the template has them, and only lines of nothing but tags go (`template_lexer`).
- `quote` quotes for a shell, or for systemd's EnvironmentFile.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from packager.base.optional_libraries import required_library

from provisioner.desired.template_lexer import LineEndLexer

with required_library("templates", extra="provisioner"):
    import jinja2
    from jinja2.compiler import CodeGenerator
    from jinja2.filters import make_attrgetter
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from jinja2.utils import Cycler, Joiner

from collections.abc import Iterator, Mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jinja2 import nodes
    from jinja2.compiler import Frame
    from jinja2.lexer import Lexer
    from jinja2.runtime import Context

TYPE_NAMES = {"str": "a text", "int": "a number", "float": "a number", "bool": "a boolean"}
TYPE_NAMES |= {"list": "a list", "dict": "an object", "tuple": "a list", "NoneType": "null"}
TEXT_FILTERS = (
    *("capitalize", "center", "e", "escape", "forceescape", "indent", "lower", "replace", "string"),
    *("striptags", "title", "trim", "truncate", "upper", "urlize", "wordcount", "wordwrap"),
)
GENERATING_FILTERS = (
    *("batch", "items", "map", "reject", "rejectattr", "reverse", "select", "selectattr"),
    *("slice", "unique"),
)


class LabelledDict(dict[str, object]):
    """A variable that knows what it is called."""

    def __init__(self, label: str, content: Mapping[str, object]) -> None:
        super().__init__(content)
        self._label = label  # the sandbox keeps templates from names with _


class RecordingMapping(Mapping[str, object]):
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
        if isinstance(owner, LabelledDict | RecordingMapping):
            return f"'{owner._label}.{name}' is undefined"
        kind = "" if owner is jinja2.utils.missing else f", in {kind_of(owner)} that is there"
        return f"'{name}' is undefined{kind}"


class _Method(_Undefined):
    """A method that may be called. As anything but a function it is undefined."""

    __slots__ = ("_method",)
    _method: Callable[..., Any]

    @property
    def _undefined_message(self) -> str:
        return f"{super()._undefined_message}; the method of this name is called with ()"


class _Unprintable(jinja2.TemplateRuntimeError):
    """Something is printed that is no value."""


class _Joiner(Joiner):
    def __repr__(self) -> str:
        raise _Unprintable("a joiner can't be printed: it is called, with ()")


class _Cycler(Cycler):
    def __repr__(self) -> str:
        raise _Unprintable("a cycler can't be printed: its next() can")


class _Environment(ImmutableSandboxedEnvironment):
    code_generator_class: type[CodeGenerator]

    def __init__(self) -> None:
        super().__init__(
            undefined=_Undefined,
            finalize=_finalize,
            keep_trailing_newline=True,
            lstrip_blocks=True,
            cache_size=0,
            optimized=False,  # constants are printed as values are
        )
        self._lexer = LineEndLexer(self)

    @property
    def lexer(self) -> Lexer:
        return self._lexer

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`obj.attribute`: the key if there is one; what is not there has nothing in it."""
        if isinstance(obj, jinja2.Undefined):
            return obj
        if isinstance(obj, Mapping):
            try:
                return obj[attribute]
            except LookupError:
                pass
        return self._as_method(obj, attribute, super().getattr(obj, attribute))

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`obj[argument]`."""
        if isinstance(obj, jinja2.Undefined):
            return obj
        return self._as_method(obj, argument, super().getitem(obj, argument))

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """`function(…)`."""
        if isinstance(function, _Method):
            function = function._method
        return super().call(context, function, *args, **kwargs)

    def _as_method(self, obj: Any, name: object, found: Any) -> Any:
        if not callable(found) or isinstance(found, jinja2.Undefined):
            return found
        method = _Method(obj=obj, name=str(name))
        method._method = found
        return method


class _CodeGenerator(CodeGenerator):
    """`~` joins what printing its operands gives."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - by the library
        self.write("str_join((")
        for each in node.nodes:
            self.write("environment.finalize(context, ")
            self.visit(each, frame)
            self.write("), ")
        self.write("))")


_Environment.code_generator_class = _CodeGenerator


def make_environment() -> jinja2.Environment:
    """The environment; making one takes some milliseconds, so templates share it."""
    made = _Environment()
    # The same profile gives the same files: nothing random.
    del made.globals["lipsum"]
    del made.filters["random"]
    made.globals["joiner"] = _Joiner
    made.globals["cycler"] = _Cycler
    for name in TEXT_FILTERS:
        made.filters[name] = _with_first(made.filters[name], _as_text)
    for name in GENERATING_FILTERS:
        made.filters[name] = _giving_list(made.filters[name])
    made.filters["join"] = _join
    made.filters["tojson"] = _to_json
    made.filters["quote"] = _quote
    return made


def kind_of(value: object) -> str:
    """What a value is, in words."""
    return TYPE_NAMES.get(type(value).__name__, "something")


def printed(value: object) -> object:
    """What is printed for a value: the word of JSON, where it has another one than Python.

    Raises TemplateError for what is no value, and for what is undefined.
    """
    if value is None or isinstance(value, bool | list | dict | tuple | RecordingMapping):
        return _json(value)
    if isinstance(value, str | int | float | jinja2.Undefined):
        return value
    if isinstance(value, Iterator | Mapping) or hasattr(value, "__iter__"):
        raise _Unprintable("what is printed is a series of values: use a loop, or the filter list")
    raise _Unprintable("what is printed is a function, or something else that is no value")


@jinja2.pass_context  # so the library prints nothing while it compiles
def _finalize(context: Context, value: object) -> object:  # noqa: ARG001
    return printed(value)


def _json(value: object, indent: int | None = None, *, sort_keys: bool = False) -> str:
    return json.dumps(
        value, ensure_ascii=False, indent=indent, sort_keys=sort_keys, default=_json_default
    )


def _json_default(value: object) -> object:
    if isinstance(value, RecordingMapping):
        return dict(value)
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises
    raise _Unprintable("it contains something that JSON has no word for")


def _to_json(value: object, indent: int | None = None) -> str:
    return _json(value, indent, sort_keys=True)


def _quote(value: object) -> str:
    from shlex import quote

    return quote(str(printed(value)))


def _as_text(value: object) -> object:
    return value if isinstance(value, jinja2.Undefined) else printed(value)


@jinja2.pass_environment
def _join(
    environment: jinja2.Environment,
    values: Iterable[object],
    separator: object = "",
    attribute: str | int | None = None,
) -> str:
    if attribute is not None:
        values = map(make_attrgetter(environment, attribute), values)
    return str(separator).join(str(printed(each)) for each in values)


def _with_first(
    function: Callable[..., Any], prepare: Callable[[object], object]
) -> Callable[..., Any]:
    """The filter, with what it filters prepared; the library may give it a context before that."""
    at = 1 if hasattr(function, "jinja_pass_arg") else 0

    @functools.wraps(function)
    def prepared(*args: Any, **kwargs: Any) -> Any:
        before, value, after = args[:at], args[at], args[at + 1 :]
        return function(*before, prepare(value), *after, **kwargs)

    return prepared


def _giving_list(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def listed(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return result if isinstance(result, str) else list(result)

    return listed
