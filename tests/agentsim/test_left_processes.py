"""What a verified command leaves behind is found however it forks; each run is a real one."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import os, subprocess, sys
from agentsim.verify.left_processes import LeftProcesses

left_processes = LeftProcesses()
for _ in range(12):
    # The shell ends at once; the one in between has perhaps not begun by then, and ends between
    # two looks.
    run = subprocess.Popen(["/bin/sh", "-c", sys.argv[1]], start_new_session=True)
    os.waitid(os.P_PID, run.pid, os.WEXITED | os.WNOWAIT)
    left_processes.end(run.pid)
    run.wait()
    try:
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:  # a child that lives: it was not found
                sys.exit(1)
    except ChildProcessError:
        pass
"""


def test_who_forks_twice_is_found_each_time() -> None:
    seconds = 345600 + os.getpid()
    line = f"(setsid sh -c 'env -i setsid sleep {seconds} & exit 0' &)"
    subprocess.run([sys.executable, "-c", PROGRAM, line], check=True, timeout=60)
