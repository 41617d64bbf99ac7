"""A question about many things, answered by all processors.

For a tenth of a second of work: a fork and a pipe for each further processor, and no module that a
start would not load anyway (`worker_processes` is for work that takes long, or tells of itself).
"""

from __future__ import annotations

import os
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SIGKILL = 9  # signal(7); the module `signal` costs as much as a hundred questions
YES, NO = b"1", b"0"


def answers(
    shares: Sequence[Sequence[str]], question: Callable[[str], bool]
) -> Iterator[tuple[str, bool]]:
    """Ask the question of everything in the shares, each share in a process of its own, the first
    one in this one; things and answers in any order, each as soon as it is known.

    The question only reads, and raises nothing but what would end the command. A process that ends
    too early has answered the rest of its share with no: ask again about those, the long way.
    Raises what the question raises here, and OSError if no process can be had.
    """
    if not shares:
        return
    helpers: list[_Helper] = []
    try:
        for share in shares[1:]:
            helpers.append(_Helper(share, question))
        for each in shares[0]:
            yield each, question(each)
            for helper in helpers:
                yield from helper.read()
        for helper in helpers:
            os.set_blocking(helper.pipe, True)
            while not helper.has_ended:
                yield from helper.read()
            yield from helper.unanswered()
    finally:
        for helper in helpers:
            helper.end()


class _Helper:
    """A process that answers the questions of a share."""

    def __init__(self, share: Sequence[str], question: Callable[[str], bool]) -> None:
        self.has_ended = False
        self._share = share
        self._answered = 0
        self.pipe, writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.close(self.pipe)
                for each in share:
                    os.write(writing, YES if question(each) else NO)  # fails if nobody reads
            finally:
                os._exit(0)
        os.close(writing)
        os.set_blocking(self.pipe, False)

    def read(self) -> Iterator[tuple[str, bool]]:
        """The answers that came."""
        try:
            came = os.read(self.pipe, 65536)
        except BlockingIOError:
            return
        self.has_ended = not came
        for answer in came:
            yield self._share[self._answered], answer == YES[0]
            self._answered += 1

    def unanswered(self) -> Iterator[tuple[str, bool]]:
        """What it did not come to."""
        for each in self._share[self._answered :]:
            yield each, False

    def end(self) -> None:
        """Leave nothing of it behind."""
        os.close(self.pipe)
        with suppress(ProcessLookupError):
            os.kill(self._pid, SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
