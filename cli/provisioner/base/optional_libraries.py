"""The libraries of the extra `provisioner`: what to say when one of them is not installed."""

from __future__ import annotations

from contextlib import contextmanager

from packager.base.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def required_library(purpose: str) -> Iterator[None]:
    """Raise ConfigError if an import in the block fails. purpose: begins the message."""
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"{purpose} need the Python library {error.name}, which is not installed: "
            "install the extra 'provisioner' of mesos-packager"
        ) from None
