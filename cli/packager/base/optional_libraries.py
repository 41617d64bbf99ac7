"""The libraries of the extras: what to say when one of them is not installed."""

from __future__ import annotations

from contextlib import contextmanager

from packager.base.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def required_library(purpose: str, *, extra: str) -> Iterator[None]:
    """Raise ConfigError if an import in the block fails. purpose: begins the message.
    extra: that of mesos-packager which has the library."""
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"{purpose} need the Python library {error.name}, which is not installed: "
            f"install the extra {extra!r} of mesos-packager"
        ) from None
