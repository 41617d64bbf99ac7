"""`typing.cast` without `typing`, whose import takes longer than most of what is done here."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import cast
else:

    def cast(_type: str, value: object) -> object:
        """`value`; a type checker takes it to be of the type."""
        return value


__all__ = ["cast"]
