"""The cluster of `nox -s cluster` where there is no engine for containers: `agentsim cluster`.

Each agent runs the real commands, on a store of its own below a temporary directory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

_ROUTES: Final = Path(__file__).resolve().parents[2] / "module" / "routes"
_SECONDS: Final = 120.0
_LOOK: Final = 0.05


def run(agents: int, *, once: bool) -> None:
    """Run it until Ctrl-C, or only until all agents are registered.

    Args:
        agents: how many.
        once: whether it ends then.
    """
    with tempfile.TemporaryDirectory(prefix="simulated-cluster-") as top:
        log = Path(top, "log")
        command = [
            *(sys.executable, "-m", "agentsim", "cluster"),
            *(str(_ROUTES / "packager.json"), str(_ROUTES / "provisioner.json")),
            *(f"--agents={agents}", "--port=0", "--master-port=0", "--attributes=role:web|db"),
            *("--domain=eu/z1|z2", f"--environment=PACKAGER_ROOT={top}/{{hostname}}"),
            f"--environment=PATH={os.environ.get('PATH', os.defpath)}",
        ]
        with log.open("wb") as output:
            cluster = subprocess.Popen(command, stderr=output)
        try:
            complete = f"all {agents} agents are registered"
            end = time.monotonic() + _SECONDS
            while complete not in log.read_text():
                if cluster.poll() is not None or time.monotonic() > end:
                    sys.exit(f"cluster: it did not come about:\n{log.read_text()}")
                time.sleep(_LOOK)
            print(log.read_text(), end="")
            if not once:
                print("Ctrl-C ends all of it", flush=True)
                cluster.wait()
        except KeyboardInterrupt:
            pass
        finally:
            cluster.terminate()
            cluster.wait()
