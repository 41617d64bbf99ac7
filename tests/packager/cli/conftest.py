"""A store for the commands, and one with a package in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.packager_command import from_the_start as packager
from tests.support.packager_command import tar

HELLO = tar(bin__hello=b"#!/bin/sh\necho hello\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def hello(root: Path) -> Path:
    """A store with one package."""
    assert packager(root, "add", "--id=hello--1.0", "-", stdin=HELLO).returncode == 0
    return root
