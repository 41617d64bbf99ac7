"""Told to stop while Python runs a finalizer, which drops whatever is raised in it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys, time
from packager.base.stop_signals import Stopped, stoppable

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))
        for _ in range(1000):  # the signal's handler is called in here
            pass

try:
    with stoppable():
        Finalized()
        print("it goes on", flush=True)
        time.sleep(60)
except Stopped as stop:
    print(stop.signum)
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_stops_behind_it(signum: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(int(signum))],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.split() == ["it", "goes", "on", str(int(signum))], done.stderr
