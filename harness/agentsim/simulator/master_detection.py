"""Which master leads: the one that was named, or the one that ZooKeeper names."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agentsim.mesos.actor_message import Pid
from agentsim.mesos.master_info import ZooKeeper, leading, read_master_info

if TYPE_CHECKING:
    from kazoo.client import KazooClient

Told = Callable[[Pid | None], None]


class NoLibrary(Exception):
    """ZooKeeper can't be asked; the text says what to install."""


def zookeeper_client(place: ZooKeeper, session_seconds: float = 10.0) -> KazooClient:
    """A client of ZooKeeper that is not started yet.

    Raises:
        NoLibrary: the library for it is not installed.
    """
    try:
        from kazoo.client import KazooClient
        from kazoo.handlers.threading import SequentialThreadingHandler
    except ImportError:
        raise NoLibrary(
            "zk:// needs the library kazoo: pip install 'agentsim[zookeeper]'"
        ) from None
    authentication = [("digest", place.credentials)] if place.credentials else None
    return KazooClient(
        place.hosts,
        timeout=session_seconds,
        handler=SequentialThreadingHandler(),
        auth_data=authentication,
        connection_retry={"max_tries": -1, "max_delay": 2},
    )


class Detection:
    """Tells who leads, now and whenever it changes; in the event loop, whoever asks ZooKeeper.

    Args:
        loop: the event loop.
        master: as `parse_master` has it.
        told: is told the leader, None if there is none.

    Raises:
        NoLibrary: as `zookeeper_client`.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, master: Pid | ZooKeeper, told: Told
    ) -> None:
        self._loop = loop
        self._told = told
        self._client: Any = None
        self._path = ""
        self._known: Pid | None = None
        self._asked = self._answered = 0
        if isinstance(master, ZooKeeper):
            self._client = zookeeper_client(master)
            self._path = master.path
            self._client.start_async()
            self._client.add_listener(lambda _: self._loop.call_soon_threadsafe(self._look))
            self._loop.call_soon(self._look)
        else:
            loop.call_soon(told, master)

    def _look(self) -> None:
        """Ask ZooKeeper in a thread of its own: its library waits for answers."""
        if self._client is not None and self._client.connected:
            self._asked += 1
            self._loop.run_in_executor(None, self._ask, self._client, self._asked)

    def _ask(self, client: Any, number: int) -> None:
        from kazoo.exceptions import KazooException, NoNodeError

        found: Pid | None = None
        try:
            try:
                node = leading(client.get_children(self._path, watch=self._changed))
            except NoNodeError:
                node = None
                if client.exists(self._path, watch=self._changed) is not None:
                    self._changed(None)  # it was made between the two, of which no watch tells
                    return
            if node is not None:
                data, _ = client.get(f"{self._path}/{node}")
                found = read_master_info(data)
        except NoNodeError:
            self._changed(None)  # it went while it was looked at
            return
        except (KazooException, OSError):
            return  # the listener tells when it is there again
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._found, number, found)

    def _changed(self, _: object) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._look)

    def _found(self, number: int, master: Pid | None) -> None:
        if number < self._answered:
            return  # a thread that was slower than one that asked later
        self._answered = number
        if master != self._known:
            self._known = master
            self._told(master)

    def close(self) -> None:
        """Ask no more."""
        if self._client is not None:
            client, self._client = self._client, None
            self._loop.run_in_executor(None, _close, client)


def _close(client: Any) -> None:
    client.stop()
    client.close()
