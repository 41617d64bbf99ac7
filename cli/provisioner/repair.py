"""Brings back what has changed on the host since it was made."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from packager.events import Emit

    Obtain = Callable[[str], AbstractContextManager[BinaryIO]]


def repair(
    root: str,  # noqa: ARG001
    ids: Sequence[str],  # noqa: ARG001
    obtain: Obtain,  # noqa: ARG001
    emit: Emit,  # noqa: ARG001
    *,
    quick: bool,  # noqa: ARG001
) -> list[str]:
    """Give the packages whose trees have changed fresh ones; their ids. Raises PackagerError."""
    return []


def units(root: str, options: Mapping[str, object], emit: Emit) -> None:
    """Start the units of the active set that should run and do not. Raises PackagerError."""
