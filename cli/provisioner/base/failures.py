"""Failures whose exit code is known from somewhere else: another error, a worker's result."""

from __future__ import annotations

from packager.base.errors import PackagerError


def failure(message: str, exit_code: int) -> PackagerError:
    """An error with this exit code."""
    error = PackagerError(message)
    error.exit_code = exit_code
    return error
