"""Being told to stop while something is being changed: SIGINT, SIGTERM, SIGHUP.

A command that changes the store turns these signals into an exception, so that what it has staged
is taken away before it dies of the signal (see `main`). A second signal no longer interrupts that.
A signal that the process was started to ignore (nohup) stays ignored.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_SECONDS = 0.01


class Stopped(KeyboardInterrupt):
    """The process was told to stop, by the signal `signum`; not an Exception, as the signal may
    come anywhere."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise Stopped in the main thread when the block is told to stop. Main thread only."""
    before = {each: signal.getsignal(each) for each in SIGNALS}
    handled = [each for each in SIGNALS if before[each] is not signal.SIG_IGN]

    def stop(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
        for each in handled:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(signum)

    def unraisable(lost: sys.UnraisableHookArgs) -> None:
        """Python drops what is raised in a finalizer, wherever the signal found one at work."""
        if not isinstance(lost.exc_value, Stopped):
            sys.__unraisablehook__(lost)
            return
        signum = lost.exc_value.signum
        signal.signal(signal.SIGALRM, lambda _, frame: stop(signum, frame))
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)  # not in here: that would be lost, too

    alarm = signal.getsignal(signal.SIGALRM)
    hook, sys.unraisablehook = sys.unraisablehook, unraisable
    for each in handled:
        signal.signal(each, stop)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
        for each in handled:
            signal.signal(each, before[each])


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Defer the signals that stop a command until the block is left, so that it is not interrupted.

    For starting a process: stopped between its start and its entry in the books, nobody would end
    it. A mask of the kernel's would do as well, and be inherited by the process. Outside of the
    main thread, which alone is told, it does nothing.
    """
    received: list[int] = []

    def note(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
        received.append(signum)

    before = {each: handler for each in SIGNALS if callable(handler := signal.getsignal(each))}
    try:
        for each in before:
            signal.signal(each, note)
    except ValueError:  # this is another thread
        before = {}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        if received:
            before[signal.Signals(received[0])](received[0], None)
