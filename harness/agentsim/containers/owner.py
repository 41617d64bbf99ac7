"""Who made a container, and whether that process still lives.

The name goes into a label. A later run removes what belongs to nobody any more, and leaves alone
what belongs to somebody else who works beside it.
"""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Owner:
    """A process, so named that no other ever has its name.

    Attributes:
        machine: the boot and the process-id namespace in which `pid` means something; the host's
            name where there is no /proc.
        pid: its process id.
        began: clock ticks from the boot to its start; empty where there is no /proc.
    """

    machine: str
    pid: int
    began: str

    def __str__(self) -> str:
        return f"{self.machine} {self.pid} {self.began}".rstrip()

    @property
    def alive(self) -> bool | None:
        """Whether it still lives; None if that can't be told from here."""
        if self.machine != _machine():
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return _began(self.pid) in (self.began, "")


def this() -> Owner:
    """This process."""
    return Owner(_machine(), os.getpid(), _began(os.getpid()))


def parse(label: str) -> Owner | None:
    """The owner that a label names; None if it names none."""
    words = label.split()
    if len(words) not in (2, 3) or not words[1].isdigit():
        return None
    return Owner(words[0], int(words[1]), "".join(words[2:]))


def _machine() -> str:
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    return socket.gethostname()


def _began(pid: int) -> str:
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        return text.rpartition(")")[2].split()[19]
    return ""
