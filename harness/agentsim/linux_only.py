"""Says on another system than Linux where agentsim runs, in place of a traceback. It is imported
before anything that other systems lack."""

from __future__ import annotations

import os
import sys

if sys.platform != "linux":
    sys.stderr.write(
        "agentsim: this runs on Linux only, as Mesos agents do; on macOS and Windows run it in the "
        "simulator's image (docs/docker.md), or in a Linux virtual machine\n"
    )
    sys.exit(os.EX_UNAVAILABLE if hasattr(os, "EX_UNAVAILABLE") else 69)
