"""Validates a document by profile.schema.json.

No message contains a value of the document, since any of them might be a secret: what is wrong is
named by its place, and what would be right in the words of the schema's own descriptions.
"""

from __future__ import annotations

import json
import os

from provisioner.base.optional_libraries import required_library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeGuard

    from jsonschema import ValidationError

    from provisioner.profile.documents import ProfileDocument

SCHEMA_PATH = os.path.join(os.path.dirname(__file__), "profile.schema.json")  # noqa: PTH118, PTH120
MAX_KEY_SHOWN_CHARACTERS = 80


def fits_schema(
    document: dict[str, object], reasons: list[str], *, is_layer: bool = False
) -> TypeGuard[ProfileDocument]:
    """Whether the document is a profile by the schema; why it is not is added to `reasons`.
    is_layer: it may leave to another layer what every profile must have."""
    with required_library("profiles"):
        import jsonschema
    with open(SCHEMA_PATH, "rb") as file:  # noqa: PTH123
        schema = json.loads(file.read())
    if is_layer:
        schema["required"] = ["profile"]
    validator = jsonschema.Draft202012Validator(schema)
    for error in sorted(validator.iter_errors(document), key=lambda each: _place(each.path)):
        reasons += _explanation(error)
    return not reasons


def _explanation(error: ValidationError) -> Iterator[str]:
    """An error of the schema in words: its place, and what would be right."""
    here = _place(error.path) or "the profile"
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
        yield f"{here}: it needs one of template, content and from, and only one"
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
