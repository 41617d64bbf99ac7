"""Validates a document by a JSON Schema.

No message contains a value of the document, since any of them might be a secret: what is wrong is
named by its place, and what would be right in the words of the schema's own descriptions.
"""

from __future__ import annotations

import json

from packager.base.documents.syntax import MAX_KEY_SHOWN_CHARACTERS
from packager.base.errors import DataError
from packager.base.optional_libraries import required_library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from jsonschema import ValidationError

    from packager.base.documents.kind import DocumentKind

MAX_REASONS_SHOWN = 20


def schema_violations(
    document: object, schema_path: str, kind: DocumentKind, *, required: list[str] | None = None
) -> list[str]:
    """Everything that the schema at `schema_path` does not allow, each with its place, in the order
    of places. required: the keys that must be there, in place of the schema's. Raises ConfigError
    if the library is missing, OSError."""
    with required_library(kind.plural, extra=kind.extra):
        import jsonschema
    with open(schema_path, "rb") as file:  # noqa: PTH123
        schema = json.loads(file.read())
    if required is not None:
        schema["required"] = required
    errors = jsonschema.Draft202012Validator(schema).iter_errors(document)
    ordered = sorted(errors, key=lambda each: _place(each.path))
    # The schema may say the same in several ways, or once for each missing key.
    return [*dict.fromkeys(words for each in ordered for words in _explanation(each, kind))]


def invalid(place: str, reasons: Sequence[str]) -> DataError:
    """The refusal of a document from `place`, with the first of the `reasons`."""
    shown = list(reasons[:MAX_REASONS_SHOWN])
    if len(reasons) > len(shown):
        shown.append(f"and {len(reasons) - len(shown)} more")
    return DataError(f"{place}: " + "\n".join(shown))


def _explanation(error: ValidationError, kind: DocumentKind) -> Iterator[str]:
    """An error of the schema in words: its place, and what would be right."""
    here = _place(error.path) or f"the {kind.noun}"
    schema = error.schema if isinstance(error.schema, dict) else {}
    instance: object = error.instance
    keys = list(instance) if isinstance(instance, dict) else []
    if error.validator == "required":
        missing = [name for name in schema["required"] if name not in keys]
        yield f"{here}: {' and '.join(missing)} must be there"
    elif error.validator == "additionalProperties" and error.validator_value is False:
        known = schema["properties"]
        for name in keys:
            if name not in known:
                yield f"{here}: {_shown(name)} is not known; there are {', '.join(known)}"
    elif "propertyNames" in error.absolute_schema_path:
        yield f"{here}: {_shown(str(instance))}: it should be {schema['description']}"
    elif error.validator == "uniqueItems":
        yield f"{here}: an entry is there twice"
    elif error.validator == "oneOf" and "properties" in schema:
        *names, last = (name for each in schema["oneOf"] for name in each["required"])
        yield f"{here}: it needs one of {', '.join(names)} and {last}, and only one"
    else:
        yield f"{here}: it should be {schema.get('description', 'something else')}"


def _place(path: Iterable[object]) -> str:
    found = ""
    for each in path:
        found += f"[{each}]" if isinstance(each, int) else f".{_shown(str(each))}"
    return found.removeprefix(".")


def _shown(name: str) -> str:
    return (
        name
        if len(name) <= MAX_KEY_SHOWN_CHARACTERS and name.isprintable()
        else ascii(name[:MAX_KEY_SHOWN_CHARACTERS])
    )
