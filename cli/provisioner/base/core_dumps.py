"""Core dumps of a process that has secrets in its memory."""

from __future__ import annotations

import resource

# With 0 the kernel would still hand the dump to a program (kernel.core_pattern with a pipe); with 1
# it makes none at all: for a file that is too little, and for a pipe it means that a dump is to be
# left out (fs/coredump.c).
NO_DUMP_BYTES = 1


def forbid_core_dumps() -> None:
    """From now on a crash of this process writes its memory nowhere; so for its children, too."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard == resource.RLIM_INFINITY or hard >= NO_DUMP_BYTES:
        resource.setrlimit(resource.RLIMIT_CORE, (NO_DUMP_BYTES, hard))
