"""A test and a command that waits for it: files say what has happened, a fifo says go on.

So a test knows that a command runs, and decides when it goes on, without guessing times.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from agentsim.suite.hosts.processes import wait_until


class Rendezvous:
    """A directory that one command knows as its `dir`.

    Args:
        directory: is made.
        deadline: seconds that any single wait may last.
    """

    def __init__(self, directory: Path, deadline: float) -> None:
        self._directory = directory
        self._deadline = deadline
        directory.mkdir()
        directory.chmod(0o777)
        os.mkfifo(directory / "go")
        (directory / "go").chmod(0o666)

    @property
    def dir(self) -> str:
        """The value of the command's `dir`."""
        return str(self._directory)

    def has(self, event: str) -> bool:
        """Whether the command has reported an event: started, finished, ended, closed."""
        return (self._directory / event).exists()

    def wait(self, event: str = "started") -> str:
        """Wait for an event; the word that goes with it (the process id for `started`)."""
        wait_until(lambda: self.has(event), self._deadline, f"{event!r} of the command")
        return (self._directory / event).read_text().strip()

    def forget(self, event: str = "started") -> None:
        """Let the next command report it again."""
        (self._directory / event).unlink(missing_ok=True)

    def go(self) -> None:
        """Let the command go on; waits until it waits."""
        wait_until(self._say_go, self._deadline, "the command's wait")

    def _say_go(self) -> bool:
        try:
            fifo = os.open(self._directory / "go", os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nobody waits yet
                return False
            raise
        # The reader may be gone again: what it has read ends with the line, not with the file.
        with contextlib.suppress(BrokenPipeError):
            os.write(fifo, b"go\n")
        os.close(fifo)
        return True

    def dismiss(self) -> None:
        """At the end of the test: whoever still waits goes on."""
        with contextlib.suppress(OSError):
            self._say_go()
