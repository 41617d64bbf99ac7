"""Reading the values of a route table: each is right, or reported with its place.

A reader goes on after a mistake, so that all of them are reported, not the first one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from agentsim.core.table_errors import Mistake, TableError, by_place, member

# What JSON can hold, as read by `agentsim.core.strict_json`.
type_names = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}

# Integers beyond this lose digits in programs that read JSON numbers as doubles (RFC 8259, 6).
MAX_INTEGER = 2**53 - 1


class TableReader:
    """Collects the mistakes of one file while its values are read.

    The reading methods return the value, or None after having reported why it can't be used.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.mistakes: list[Mistake] = []

    def add(self, place: str, code: str, reason: str) -> None:
        self.mistakes.append(Mistake(self.file, place, code, reason))

    def raise_if_any(self) -> None:
        """Raises TableError with every mistake found so far, sorted by place."""
        if self.mistakes:
            raise TableError(sorted(self.mistakes, key=by_place))

    def _wrong_type(self, place: str, value: object, expected: str) -> None:
        self.add(place, "type", f"this must be {expected}, not {type_names[type(value)]}")

    def mapping(
        self,
        place: str,
        value: object,
        known: Collection[str] | None = None,
        required: Collection[str] = (),
    ) -> dict[str, object] | None:
        """An object; with `known`, one that has no other fields. `required` ones must be there."""
        if not isinstance(value, dict):
            self._wrong_type(place, value, "an object")
            return None
        if known is not None:
            for key in value:
                if key not in known:
                    names = ", ".join(sorted(known))
                    self.add(
                        member(place, key), "unknown-field", f"no such field; here are: {names}"
                    )
        for key in required:
            if key not in value:
                self.add(place, "missing-field", f'the field "{key}" is missing')
        return value

    def sequence(
        self, place: str, value: object, minimum: int = 0, maximum: int = 65535
    ) -> list[object] | None:
        """A list of `minimum` to `maximum` elements."""
        if not isinstance(value, list):
            self._wrong_type(place, value, "a list")
            return None
        if not minimum <= len(value) <= maximum:
            self.add(place, "range", f"a list of {minimum} to {maximum} elements, not {len(value)}")
            return None
        return value

    def string(self, place: str, value: object) -> str | None:
        """A string without NUL, which no argument, path or variable can hold."""
        if not isinstance(value, str):
            self._wrong_type(place, value, "a string")
            return None
        if "\0" in value:
            self.add(place, "value", "a NUL character can't be passed to a command")
            return None
        return value

    def choice(self, place: str, value: object, choices: Collection[str]) -> str | None:
        """One of a few strings."""
        text = self.string(place, value)
        if text is None or text in choices:
            return text
        self.add(place, "value", f"this must be one of: {', '.join(choices)}")
        return None

    def boolean(self, place: str, value: object) -> bool | None:
        if not isinstance(value, bool):
            self._wrong_type(place, value, "true or false")
            return None
        return value

    def integer(self, place: str, value: object, minimum: int, maximum: int) -> int | None:
        """A number written without fraction or exponent, `minimum` <= it <= `maximum`."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._wrong_type(place, value, "a number")
            return None
        if not isinstance(value, int) or not minimum <= value <= maximum:
            self.add(place, "range", f"this must be a whole number from {minimum} to {maximum}")
            return None
        return value

    def seconds(self, place: str, value: object, maximum: int, zero: bool = False) -> float | None:
        """A time in seconds: 0.001 <= it <= `maximum`, or 0 where `zero` allows it."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._wrong_type(place, value, "a number of seconds")
            return None
        if not (0.001 <= value <= maximum or (zero and value == 0)):
            least = "0, or from 0.001" if zero else "from 0.001"
            self.add(place, "range", f"this must be {least} to {maximum} seconds")
            return None
        return float(value)


def fields(value: Mapping[str, object], *names: str) -> list[tuple[str, object]]:
    """The fields of `names` that are there, in that order."""
    return [(name, value[name]) for name in names if name in value]
