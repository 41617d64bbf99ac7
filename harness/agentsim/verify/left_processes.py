"""Which processes of a run live on after it, and their end.

The verifying process makes itself the subreaper of its descendants (prctl(2)): one that loses its
parent becomes its child. So a run's processes are found whatever environment, group or session
they gave themselves; the group and the session are looked at for what kept these and is no
descendant any more (it may have joined another PID namespace). What another service starts on
request, such as systemd or a container engine, is not found.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

from agentsim.run.procfs import Process, read_process

_PR_SET_CHILD_SUBREAPER = 36
#: What ends by itself in this time, a child that saw the end of its pipe, is not left behind.
_MOMENT = 0.2
#: For how long processes are killed that make others meanwhile.
_KILL_SECONDS = 5.0


class LeftProcesses:
    """Finds and ends what runs leave behind; to be made before the first run.

    Makes this process the subreaper of its descendants. One run at a time.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
        own = os.getpid()
        # A shell that became this program may have left it children of its own.
        self._before = {(p.pid, p.began) for p in _processes()[0].values() if p.parent == own}

    def end(self, leader: int) -> int:
        """Kill what is left of a run.

        Args:
            leader: the number of the run's command, which leads its group and its session, and is
                not reaped yet: until then no other process can have the number.

        Returns:
            How many processes were left: not counted are the command itself, and what ended by
            itself within the next moment.
        """
        moment = time.monotonic() + _MOMENT
        while left := self._find(leader):
            if time.monotonic() >= moment:
                self._kill(leader)
                break
            time.sleep(_MOMENT / 10)
        return len(left)

    def _kill(self, leader: int) -> None:
        deadline = time.monotonic() + _KILL_SECONDS
        forbidden: set[tuple[int, int]] = set()
        while time.monotonic() < deadline:
            left = [p for p in self._find(leader) if (p.pid, p.began) not in forbidden]
            if not left:
                return
            forbidden.update((p.pid, p.began) for p in left if not _kill(p))
            time.sleep(_MOMENT / 100)

    def _find(self, leader: int) -> list[Process]:
        """The run's processes that have not ended, without the command; reaps those that have.

        One that ends during a look may have made another that this look did not list. So none is
        left only when a look has seen no end.
        """
        deadline = time.monotonic() + _KILL_SECONDS
        while True:
            found, ends = self._look(leader)
            if found or not ends or time.monotonic() >= deadline:
                return found

    def _look(self, leader: int) -> tuple[list[Process], bool]:
        """The run's processes that live, and whether any process has ended meanwhile."""
        own = os.getpid()
        known, ends = _processes()
        found = []
        for process in known.values():
            if process.pid == leader or not self._is_of_run(process, known, leader):
                continue
            if not process.ended:
                found.append(process)
                continue
            ends = True
            if process.parent == own:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(process.pid, os.WNOHANG)
        return found, ends

    def _is_of_run(self, process: Process, known: dict[int, Process], leader: int) -> bool:
        if leader in (process.group, process.session):
            return True
        own = os.getpid()
        for _ in range(len(known)):  # parents are read one after the other: there may be a circle
            if process.parent == own:
                return (process.pid, process.began) not in self._before
            parent = known.get(process.parent)
            if parent is None:
                break
            process = parent
        return False


def _processes() -> tuple[dict[int, Process], bool]:
    """All processes, and whether one that was listed had gone when it was looked at."""
    names = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    found = [process for process in map(read_process, names) if process is not None]
    return {process.pid: process for process in found}, len(found) < len(names)


def _kill(process: Process) -> bool:
    """SIGKILL to this process and no later one of its number; whether that is allowed."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except OSError:
        return True  # gone
    try:
        now = read_process(process.pid)
        if now is not None and now.began == process.began:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except PermissionError:
        return False
    except ProcessLookupError:
        pass
    finally:
        os.close(pidfd)
    return True
