"""A host that forks all the time without executing a program, as an agent that launches containers.

Such a fork has every descriptor that its host has at that moment, until it executes its program or
ends. Here it does nothing else than live, until the host ends it. If the host dies, it ends by
itself after a while, longer than any test waits for anything.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Final

#: Forks that live at one time.
LIVING: Final = 20
#: Seconds for which a fork outlives its host.
_SECONDS: Final = 45
_TOLD_EVERY: Final = 20


def written_pipes(pid: int | str) -> set[str]:
    """The pipes that a process has open for writing (proc(5), `/proc/PID/fd`)."""
    found = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            path = f"/proc/{pid}/fd/{name}"
            with contextlib.suppress(OSError):
                target = str(Path(path).readlink())
                if target.startswith("pipe:") and os.lstat(path).st_mode & stat.S_IWUSR:
                    found.add(target)
    return found


def begin() -> None:
    """Fork from now on, on a thread of its own."""
    threading.Thread(target=_fork_all_the_time, args=(written_pipes("self"),), daemon=True).start()


def _fork_all_the_time(own: set[str]) -> None:
    living: deque[int] = deque()
    for number in range(sys.maxsize):
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            time.sleep(_SECONDS)
            os._exit(0)
        living.append(pid)
        if held := written_pipes(pid) - own:
            print(f"fork {pid} has {sorted(held)}", file=sys.stderr, flush=True)
        if len(living) > LIVING:
            pid = living.popleft()
            os.kill(pid, signal.SIGTERM)
            _, status = os.waitpid(pid, 0)
            if os.waitstatus_to_exitcode(status) != -signal.SIGTERM:
                print(f"fork {pid} ended with status {status}", file=sys.stderr, flush=True)
        if number % _TOLD_EVERY == 0:
            print(f"forks: {number}", file=sys.stderr, flush=True)
