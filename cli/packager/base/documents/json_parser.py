"""JSON, read strictly. Integers may have more digits than `packager.base.strict_json` takes: values
are only shown by templates; and no message has a number of the document in it."""

from __future__ import annotations

import json

from packager.base.documents.syntax import SyntaxRefused, duplicate_key, too_deep


def parse(text: str) -> object:
    """The document in `text`. Raises SyntaxRefused."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise SyntaxRefused(f"{place}: not JSON: {error.msg}") from None
    except RecursionError:
        raise too_deep() from None
    except ValueError:  # sys.set_int_max_str_digits: thousands of digits
        raise SyntaxRefused("it has a number that is too long") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise duplicate_key(key)
        found[key] = value
    return found


def _constant(name: str) -> object:
    raise SyntaxRefused(f"{name} is not a number of JSON")
