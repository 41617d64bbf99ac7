"""One process at one rollout: with a lock, clients, and signals."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass

from packager.base.errors import DataError
from packager.base.stop_signals import Stopped

from rollout.controller.access import Access, master_client
from rollout.controller.answers import TakenOver
from rollout.controller.beginning import new_holder
from rollout.controller.controller import Controller
from rollout.controller.keeper import Keeper
from rollout.core.budgets import NothingLeft
from rollout.core.events import Listener
from rollout.core.progress import rules_of
from rollout.core.strategy import Strategy
from rollout.hosts.access import HostAccess, open_hosts
from rollout.records.documents import Head
from rollout.records.rollout_record import RolloutRecord, take
from rollout.records.store import Changed, Lost, Store


@dataclass(frozen=True)
class Session:
    """How a rollout is carried on. stay: also while it is paused and nothing is under way."""

    access: Access
    hosts: HostAccess
    listener: Listener
    stay: bool = False


def carry_on(
    store: Store,
    rollout: str,
    session: Session,
    strategy: Strategy,
    profile: bytes,
    *,
    prepare: Callable[[RolloutRecord], None] | None = None,
) -> Head:
    """Carry a rollout on until it ends or pauses. prepare: is given the record once the lock is
    held, before anything is done. Raises Held, TakenOver, DataError, PackagerError."""
    holder = new_holder()
    lock = take(store, rollout, holder)
    try:
        record = RolloutRecord.load(store, rollout)
        if prepare is not None:
            prepare(record)
        try:
            rules = rules_of(strategy, len(record.head.order))
        except NothingLeft as reason:
            raise DataError(str(reason)) from None

        async def work() -> Head:
            keeper = Keeper(store, record, lock)
            async with (
                master_client(strategy, session.access) as master,
                open_hosts(session.hosts) as hosts,
            ):
                controller = Controller(
                    keeper,
                    holder,
                    strategy,
                    rules,
                    hosts=hosts,
                    master=master,
                    profile=profile,
                    listener=session.listener,
                    stay=session.stay,
                )
                return await _signalled(controller)

        return asyncio.run(work())
    except (Lost, Changed) as reason:
        raise TakenOver(f"{reason}; this controller stops") from reason
    finally:
        lock.release()


async def _signalled(controller: Controller) -> Head:
    """Run it; the first SIGINT pauses it, and everything else that stops a process ends it."""
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(controller.run())
    stopped_by: list[int] = []

    def stop(signum: int) -> None:
        stopped_by.append(signum)
        running.cancel()

    def interrupt() -> None:
        loop.add_signal_handler(signal.SIGINT, stop, signal.SIGINT)
        controller.pause()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    for each in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) is not signal.SIG_IGN:
            loop.add_signal_handler(each, stop, each)
    try:
        return await running
    except asyncio.CancelledError:
        if stopped_by:
            raise Stopped(stopped_by[0]) from None
        raise
