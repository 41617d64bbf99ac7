"""The bundles that all tests of this folder share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.bundles import Bundles


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """Made once, however many workers there are."""
    top = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        top = top.parent
    return Bundles(Path(top, "bundles"))
