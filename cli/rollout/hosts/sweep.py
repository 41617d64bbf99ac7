"""Asks many hosts at once, so many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from packager.base.errors import PackagerError

Answer = TypeVar("Answer")
Key = TypeVar("Key")


async def sweep(
    hosts: Iterable[Key], ask: Callable[[Key], Awaitable[Answer]], *, concurrency: int
) -> dict[Key, Answer | PackagerError]:
    """What each host answers, or why it does not, in the order of `hosts`."""
    left = iter(hosts)
    found: dict[Key, Answer | PackagerError] = {}

    async def work() -> None:
        for host in left:
            found[host] = PackagerError("")  # keeps its place
            try:
                found[host] = await ask(host)
            except PackagerError as reason:
                found[host] = reason

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work())
    return found
