"""What the kernel tells of a process.

Source: proc(5), `/proc/PID/stat`. Fields are counted from 1, as there.
"""

from __future__ import annotations

from dataclasses import dataclass

_FORKED_ONLY = 0x40  # PF_FORKNOEXEC: forked, and has not executed a program since


@dataclass(frozen=True, slots=True)
class Process:
    """A process at one moment.

    Attributes:
        pid: its number.
        name: of its program, at most 15 characters.
        parent: its parent's number.
        group, session: the numbers of its process group and of its session.
        ended: whether it is a zombie: it waits for its parent to take note of its end. One whose
            first thread has ended while others run has not.
        forked_only: whether it still runs the program of who forked it.
        began: clock ticks from the system's start to its own.
        stack: where its stack begins. A fork shares this address with who forked it; a program
            that is executed gets a random one. 0 where this may not be known.
    """

    pid: int
    name: str
    parent: int
    group: int
    session: int
    ended: bool
    forked_only: bool
    began: int
    stack: int


def read_process(pid: int | str) -> Process | None:
    """Look at a process.

    Args:
        pid: its number, or `self`.

    Returns:
        None if there is no such process, or it may not be looked at.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            text = file.read(1024).decode("utf-8", "replace")
    except OSError:
        return None
    number, _, rest = text.partition(" (")
    name, _, rest = rest.rpartition(") ")  # a name may have parentheses and blanks
    fields = rest.split()  # from the third on
    if len(fields) < 26:
        return None
    return Process(
        pid=int(number),
        name=name,
        parent=int(fields[4 - 3]),
        group=int(fields[5 - 3]),
        session=int(fields[6 - 3]),
        ended=fields[3 - 3] in ("Z", "X") and int(fields[20 - 3]) < 2,
        forked_only=bool(int(fields[9 - 3]) & _FORKED_ONLY),
        began=int(fields[22 - 3]),
        stack=int(fields[28 - 3]),
    )
