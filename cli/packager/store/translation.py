"""errno becomes an exit status where the store is asked for something. Readers import this, and
nothing of what writers need."""

from __future__ import annotations

from contextlib import contextmanager

from packager.base.errors import from_os_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def translated(root: str) -> Iterator[None]:
    """Raise the PackagerError for every OSError of the block; `root` is that of the store."""
    try:
        yield
    except OSError as error:
        raise from_os_error(error, store=root) from error
