"""Work for two threads.

Making links is the kernel's work, one directory at a time; meanwhile another thread can have it
fill another directory.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def in_two(work: Callable[[str], None], items: Iterable[str]) -> None:
    """Do `work` for every item, in any order, two at a time; raises what the first to fail raised,
    when none is going on any more."""
    from collections import deque
    from threading import Thread

    todo = deque(items)
    errors: list[BaseException] = []

    def one() -> None:
        try:
            while todo and not errors:
                try:
                    item = todo.popleft()
                except IndexError:
                    return  # the other one was quicker
                work(item)
        except BaseException as error:
            errors.append(error)

    other = Thread(target=one)
    other.start()
    try:
        one()
    finally:
        todo.clear()
        other.join()
    if errors:
        raise errors[0]
