"""Processes that left their invocation's process group but still hold its pipes.

A command's descendant can take a session of its own, and then no signal to the group reaches it.
Its environment still carries the request id that the host gave to the command (unless it made
itself a new one), and that is how it is found.

Source: proc(5), `/proc/PID/environ`; pidfd_send_signal(2).
"""

from __future__ import annotations

import os
import signal


def kill_escaped(request_id: str) -> int:
    """Kill every process whose environment names a request.

    Args:
        request_id: the value of ABI_REQUEST_ID; unique for one invocation.

    Returns:
        How many processes were killed.
    """
    marker = b"\0ABI_REQUEST_ID=" + request_id.encode() + b"\0"
    killed = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            killed += _kill_if_marked(int(name), marker)
    return killed


def _kill_if_marked(pid: int, marker: bytes) -> int:
    try:
        # Opened before the look, so that the signal can't go to a later owner of the number.
        descriptor = os.pidfd_open(pid)
    except OSError:
        return 0
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            if marker not in b"\0" + file.read() + b"\0":
                return 0
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except OSError:
        return 0
    finally:
        os.close(descriptor)
    return 1
