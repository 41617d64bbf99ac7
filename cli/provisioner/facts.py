"""What this host is."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def for_templates() -> dict[str, Any]:
    """The facts that templates see; cheap to find out."""
    system = os.uname()
    return {"hostname": system.nodename, "kernel": system.release, "machine": system.machine}
