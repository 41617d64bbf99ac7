"""Runs a program as on a kernel before Linux 5.2: without pidfds and close_range.

Usage: `python old_kernel.py PROGRAM ARGUMENT…`. A seccomp filter, which all descendants inherit,
refuses these system calls as such a kernel does. The contract of a host on such a kernel:
name a script that runs it this way as `host` in the directory of ABI_MODULE_BUILD.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

PR_SET_NO_NEW_PRIVS = 38  # prctl(2)
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2  # seccomp(2)
CLONE_PIDFD = 0x1000  # clone(2)

# By asm/unistd.h; the newer calls have one number on all machines.
CLONE = {"x86_64": 56, "aarch64": 220}
NEWER = {"pidfd_send_signal": 424, "pidfd_open": 434, "clone3": 435, "close_range": 436}

# Classic BPF, as in linux/bpf_common.h and linux/seccomp.h.
LOAD, EQUAL, ANY_BIT, ANSWER = 0x20, 0x15, 0x45, 0x06
NUMBER, FLAGS = 0, 16  # Offsets in struct seccomp_data: nr, and the low half of args[0].
ALLOW, FAIL = 0x7FFF0000, 0x00050000


def supported() -> bool:
    return sys.platform == "linux" and platform.machine() in CLONE


def forget_pidfds() -> None:
    """For this process and its children these system calls are gone."""
    missing, invalid = FAIL | errno.ENOSYS, FAIL | errno.EINVAL
    program = [(LOAD, 0, 0, NUMBER)]
    for number in NEWER.values():
        program += [(EQUAL, 0, 1, number), (ANSWER, 0, 0, missing)]
    program += [
        (EQUAL, 0, 3, CLONE[platform.machine()]),
        (LOAD, 0, 0, FLAGS),
        (ANY_BIT, 0, 1, CLONE_PIDFD),
        (ANSWER, 0, 0, invalid),
        (ANSWER, 0, 0, ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(header), 0, 0),
    ):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "no filter of system calls can be set")


if __name__ == "__main__":
    forget_pidfds()
    os.execv(sys.argv[1], sys.argv[1:])
