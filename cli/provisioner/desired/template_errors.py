"""The message for a template that is wrong: the template, the line, the reason; never a value.

Once a template has looked at a secret, its message has nothing that came of rendering it: whatever
the library says may then have part of a secret in it. What is said is taken from the template's own
text: the line, and which of the names on it are not defined.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packager.base.optional_libraries import required_library

from provisioner.desired.template_environment import TYPE_NAMES

with required_library("templates", extra="provisioner"):
    import jinja2
    from jinja2 import meta, nodes

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_MEMORY_BYTES = 256 << 20  # beyond what the process has before
REDACTED = "…"
# Errors whose messages contain values only between quotes.
SAFE_ERRORS = (jinja2.TemplateError, TypeError, ArithmeticError)
QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")


def explanation(error: Exception, place: str, text: str) -> str:
    """The message for an error of the template `text`, which messages call `place`, where no secret
    was looked at."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        return f"{place}, line {error.lineno}: {error.message}"
    here = _here(error, place)
    reason = _reason_without_text(error)
    if reason is not None:
        return f"{here}: {reason}"
    if isinstance(error, SAFE_ERRORS):
        return f"{here}: {QUOTED.sub(lambda match: _literal(match, text), str(error))}"
    return f"{here}: {type(error).__name__}: {REDACTED}"


def explanation_without_text(
    error: Exception,
    place: str,
    text: str,
    environment: jinja2.Environment,
    variables: Mapping[str, object],
) -> str:
    """The same where a secret was looked at. variables: what the template sees, by name."""
    reason = _reason_without_text(error)
    if reason is None and isinstance(error, jinja2.UndefinedError):
        line = _line(error, place)
        names = [f"'{each}'" for each in _undefined_names(environment, text, line, variables)]
        if len(names) > 1:
            reason = f"one of {', '.join(names)} is undefined"
        else:
            reason = f"{names[0] if names else 'something in it'} is undefined"
    if reason is None:
        reason = f"{type(error).__name__}: {REDACTED} (it has looked at a secret: no more is said)"
    return f"{_here(error, place)}: {reason}"


def _reason_without_text(error: Exception) -> str | None:
    """The reason, if it has nothing of what was rendered in it."""
    if isinstance(error, MemoryError):
        return f"it needs more than {MAX_MEMORY_BYTES >> 20} MiB of memory"
    if isinstance(error, UnicodeEncodeError):
        return "its result is not Unicode"
    if isinstance(error, RecursionError):
        return "maximum recursion depth exceeded: does it call itself without an end?"
    return None


def _literal(match: re.Match[str], text: str) -> str:
    """What stands between quotes in a message, if the template itself has it."""
    inner = match[1] if match[1] is not None else match[2]
    known = inner in TYPE_NAMES or all(part in text for part in inner.split("."))
    return match[0] if known else f"'{REDACTED}'"


def _here(error: Exception, place: str) -> str:
    line = _line(error, place)
    return f"{place}, line {line}" if line else place


def _line(error: Exception, place: str) -> int | None:
    found = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == place:
            found = trace.tb_lineno
        trace = trace.tb_next
    return found


def _undefined_names(
    environment: jinja2.Environment, text: str, line: int | None, variables: Mapping[str, object]
) -> list[str]:
    """The names that the template's text has on this line and that nothing is defined for."""
    tree = environment.parse(text)
    undeclared = meta.find_undeclared_variables(tree) - environment.globals.keys()
    found = set()
    for node in tree.find_all((nodes.Name, nodes.Getattr, nodes.Getitem)):
        path = _path(node) if node.lineno == line else None
        if path is None or path[0] not in undeclared:
            continue
        known: object = variables
        for at, key in enumerate(path):
            try:
                known = known[key]  # type: ignore[index]
            except (LookupError, TypeError):
                found.add(".".join(path[: at + 1]))
                break
    return sorted(found)


def _path(node: nodes.Node) -> list[str] | None:
    """`values.a['b']` as its names; None for what is not written so."""
    if isinstance(node, nodes.Name):
        return [node.name]
    if isinstance(node, nodes.Getattr):
        key = node.attr
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        key = str(node.arg.value)
    else:
        return None
    owner = _path(node.node)
    return None if owner is None else [*owner, key]
