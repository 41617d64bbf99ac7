"""An engine that has an image of this tree, for tests that are skipped without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from agentsim.containers import engine

ROOT = Path(__file__).parents[2]


def engine_and_image(target: str) -> tuple[Any, Any]:
    """The engine's client, and the image of a target of the Dockerfile; the test is skipped, with
    the reason, where either is missing."""
    try:
        client = engine.connect()
    except engine.NoEngine as reason:
        pytest.skip(str(reason))
    # It needs the SDK, which the engine's absence has told of otherwise.
    from agentsim.containers import images

    try:
        return client, images.find_current(client, target, ROOT)
    except images.NoImage as reason:
        pytest.skip(str(reason))
