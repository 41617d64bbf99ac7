"""What a program's standard output is at the moment of its exit, seen with ptrace(2).

The runtimes of node, Rust and Go open /dev/null where they find 0, 1 or 2 closed, so that no file
that is opened later gets one of these numbers. A program of theirs can't know that its standard
output was closed. No other look is in time: such a program may be over in a millisecond.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from typing import Final

_TRACEME, _CONT, _SETOPTIONS = 0, 7, 0x4200
_O_TRACEEXEC, _O_TRACEEXIT, _O_EXITKILL = 0x10, 0x40, 0x100000
_EVENT_EXIT: Final = 6

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_LIBC.ptrace.restype = ctypes.c_long


def ask_to_be_traced() -> None:
    """In a child before it executes its program: have its parent trace it.

    Where that is not allowed, the program runs untraced.
    """
    _LIBC.ptrace(_TRACEME, 0, None, None)


class ExitTrace:
    """Follows a child that has asked to be traced, and lets it go on at every stop.

    Args:
        pid: the child's number.

    Attributes:
        stdout: the file that was descriptor 1 when the child began to exit, as /proc names it;
            empty if there was none; None if that was not seen.
    """

    def __init__(self, pid: int) -> None:
        self.stdout: str | None = None
        self._pid = pid
        self._attached = False

    def follow(self) -> None:
        """Let the child go on if it has stopped; to be called again and again until it is over.

        By the thread that started the child.
        """
        flags = os.WSTOPPED | os.WNOHANG
        with contextlib.suppress(ChildProcessError):
            while (stop := os.waitid(os.P_PID, self._pid, flags)) is not None:
                self._go_on(stop.si_status)

    def _go_on(self, status: int) -> None:
        event, number = status >> 8, status & 0xFF
        if event == _EVENT_EXIT:
            try:
                self.stdout = os.readlink(f"/proc/{self._pid}/fd/1")  # noqa: PTH115
            except FileNotFoundError:
                self.stdout = ""
            except OSError:
                self.stdout = None
        if not self._attached:  # the stop at the first execution
            self._attached = True
            options = _O_TRACEEXEC | _O_TRACEEXIT | _O_EXITKILL
            _LIBC.ptrace(_SETOPTIONS, self._pid, None, options)
            number = 0
        elif event or number == signal.SIGTRAP | 0x80:
            number = 0
        _LIBC.ptrace(_CONT, self._pid, None, number)
