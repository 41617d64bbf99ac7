"""The simulated agent as a program: one event loop, one listening socket, an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import ipaddress
import os
import resource
import signal
import socket
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentsim.core.route_table import Table
from agentsim.run.invocation import look_at_children
from agentsim.run.spawn import HAVE_PIDFD, reap_inherited
from agentsim.run.spool import Spool
from agentsim.simulator.access_description import describe_access
from agentsim.simulator.agent import HEAD_SECONDS, Agent
from agentsim.simulator.command_exchange import CommandExchange
from agentsim.simulator.connection import Connection
from agentsim.simulator.fault_injection import Injector, Rule
from agentsim.simulator.joining import Joined, Joining
from agentsim.simulator.libprocess_endpoints import LibprocessEndpoints
from agentsim.simulator.log import Log
from agentsim.simulator.master_detection import NoLibrary
from agentsim.simulator.metrics import Counters
from agentsim.simulator.openapi_endpoint import OpenApiEndpoint
from agentsim.simulator.recent_activity import RecentActivity
from agentsim.simulator.recorder import Recorder, RecordingConnection
from agentsim.simulator.table_reload import Reloader
from agentsim.simulator.web_page import Page

_LISTEN_BACKLOG = 4096
# How many clients asyncio accepts in one go. When no descriptor is left it tries, and complains, as
# often in one go, and as many idle connections make room.
_MAX_ACCEPTS_AT_ONCE = 16
_REAP_AGAIN_SECONDS = 0.1
# A client that has gone without a word is noticed after two minutes.
_KEEP_ALIVE = {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 15, socket.TCP_KEEPCNT: 4}


class CannotServe(Exception):
    """The host can't start; the text says why and what helps."""


@dataclass(frozen=True)
class Settings:
    """How to serve.

    Attributes:
        tables: the route tables.
        paths: the files they were read from, absolute, to be watched for changes.
        host, port: where to listen; port 0 takes a free one.
        spool_dir: directory for large bodies and outputs.
        spool_limit: bytes in that directory at the most.
        credentials: secrets by principal; empty for none.
        environment: entries for the commands' environments, over the tables' own.
        record: where to keep every exchange, absolute; None for nowhere.
        inject: faults on purpose.
        seed: what they are drawn from.
        page: whether a browser finds a page at `/`, and everybody a description at
            `/openapi.json`.
        opened: whether the operator has opened the host to everybody who reaches it; None if
            nothing was said, and then it is open on loopback only.
        allowed_hosts: names that it may be called by, beside addresses, `localhost` and `host`.
        head_seconds: how long a client may take to send a request's head.
        joining: the cluster that it joins; None for none.
    """

    tables: Sequence[Table]
    paths: Sequence[Path]
    host: str
    port: int
    spool_dir: Path
    spool_limit: int
    credentials: dict[bytes, bytes] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    record: Path | None = None
    inject: Sequence[Rule] = ()
    seed: int = 0
    page: bool = False
    opened: bool | None = None
    allowed_hosts: Sequence[str] = ()
    head_seconds: float = HEAD_SECONDS
    joining: Joining | None = None


def serve(settings: Settings, log: Log) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; a second SIGINT does not wait for the commands.

    Raises:
        CannotServe: the address can't be had, or everybody could call it without the operator
            having said so; the recording can't be made; the cluster can't be joined.
    """
    _keep_descriptors()
    listener = _listen(settings.host, settings.port)
    if not (settings.credentials or settings.opened or is_loopback(listener)):
        raise CannotServe(
            f"everybody who reaches {settings.host} could run its commands: give --credentials"
            " FILE, or --open if that is meant"
        )
    recorder = _recorder(settings.record, log)
    _raise_descriptor_limit()
    os.chdir("/")  # the commands' working directory, unless their route says otherwise
    with asyncio.Runner() as runner:
        runner.run(_serve(settings, listener, recorder, log))


def _recorder(path: Path | None, log: Log) -> Recorder | None:
    if path is None:
        return None
    try:
        return Recorder(path, log)
    except OSError as error:
        raise CannotServe(f"can't record to {path}: {error.strerror}") from None


def _listen(host: str, port: int) -> socket.socket:
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # The protocol is named since asyncio turns Nagle off only where it is: streams wait 40 ms.
        listener = socket.socket(address[0], socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for option, value in _KEEP_ALIVE.items():  # what connections take over from it
            listener.setsockopt(socket.IPPROTO_TCP, option, value)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listener.bind(address[4])
        listener.listen(_LISTEN_BACKLOG)
    except OSError as error:
        place = f"{host}:{port}"
        if isinstance(error, socket.gaierror):
            raise CannotServe(f"there is no host {host!r}: {error.strerror}") from None
        reason = os.strerror(error.errno or 0)
        remedy = "try --port 0"
        if error.errno == errno.EADDRNOTAVAIL:
            remedy = "give --host an address of this machine"
        raise CannotServe(f"can't listen on {place}: {reason}; {remedy}") from None
    listener.setblocking(False)
    return listener


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine reaches a listening socket."""
    return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def _is_open(settings: Settings, listener: socket.socket) -> bool:
    return is_loopback(listener) if settings.opened is None else settings.opened


def _keep_descriptors() -> None:
    # Python's own are not inherited; those that a supervisor left open would be (ABI-PROC-3).
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with contextlib.suppress(OSError):  # the listing's own is closed by now
            if int(name) > 2:
                os.set_inheritable(int(name), False)


def _raise_descriptor_limit() -> None:
    # Each running command holds three descriptors, and each connection one.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(
    settings: Settings, listener: socket.socket, recorder: Recorder | None, log: Log
) -> None:
    loop = asyncio.get_running_loop()
    counters = Counters()
    activity = RecentActivity() if settings.page else None
    injector = Injector(settings.inject, settings.seed, log)
    agent = Agent(
        loop,
        settings.tables,
        Spool(settings.spool_dir, settings.spool_limit),
        settings.credentials,
        _is_open(settings, listener),
        [name.lower().encode() for name in (settings.host, *settings.allowed_hosts)],
        settings.environment,
        [log, counters] if activity is None else [log, counters, activity],
        log.say,
        say_once=log.say_once,
        head_seconds=settings.head_seconds,
        tap=None if activity is None else activity.tap,
        new_exchange=injector.exchange if settings.inject else CommandExchange,
    )
    agent.fallbacks.append(LibprocessEndpoints(agent, counters).exchange)
    if activity is not None:
        agent.fallbacks.append(Page(agent, activity, counters).exchange)
        agent.fallbacks.append(OpenApiEndpoint(agent).exchange)
    Reloader(loop, agent, settings.paths, settings.tables, log)
    loop.set_exception_handler(lambda _, context: _report(agent, listener, log, context))
    stop = asyncio.Event()

    def interrupted() -> None:
        # Only a person says it twice and means it; supervisors repeat SIGTERM and SIGHUP.
        if stop.is_set():
            agent.commands.kill()
        stop.set()

    loop.add_signal_handler(signal.SIGINT, interrupted)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup has it
        loop.add_signal_handler(signal.SIGHUP, stop.set)
    if os.getpid() == 1 or not HAVE_PIDFD:
        loop.add_signal_handler(signal.SIGCHLD, _child_ended, loop)
    server = await loop.create_server(
        (lambda: RecordingConnection(agent, recorder)) if recorder else lambda: Connection(agent),
        sock=listener,
        backlog=_MAX_ACCEPTS_AT_ONCE,
    )
    listener.listen(_LISTEN_BACKLOG)  # asyncio has set it to what it accepts in one go
    host, port = listener.getsockname()[:2]
    gc.freeze()  # what is there now stays; the collector need not look at it again and again
    shown = f"[{host}]" if ":" in host else host
    log.say(f"serving {_names(settings.tables)} on http://{shown}:{port}")
    for line in describe_access(
        settings.tables,
        shown,
        credentials=bool(settings.credentials),
        opened=_is_open(settings, listener),
        loopback=is_loopback(listener),
    ):
        log.say(line)
    joined = _join(settings.joining, loop, agent, listener, log, stop)
    await stop.wait()
    if joined is not None:
        await joined.leave()
    ending = "ending the running commands; Ctrl-C again kills them"
    log.say(ending if agent.commands.running else "good-bye")
    server.close()
    await agent.close()


def _join(
    joining: Joining | None,
    loop: asyncio.AbstractEventLoop,
    agent: Agent,
    listener: socket.socket,
    log: Log,
    stop: asyncio.Event,
) -> Joined | None:
    if joining is None:
        return None
    host, port = listener.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.version != 4 or address.is_unspecified:
        raise CannotServe(
            f"a master can't call an agent at {host}: give --host an IPv4 address of this machine"
        )
    try:
        joined = Joined(loop, joining, host, port, log.say, stop.set)
    except NoLibrary as error:
        raise CannotServe(str(error)) from None
    agent.member = joined.member
    return joined


def _child_ended(loop: asyncio.AbstractEventLoop) -> None:
    look_at_children()
    if os.getpid() == 1 and reap_inherited():
        loop.call_later(_REAP_AGAIN_SECONDS, _child_ended, loop)


def _report(agent: Agent, listener: socket.socket, log: Log, context: dict[str, Any]) -> None:
    """A line for what the system refuses (no descriptor for a client), everything for a bug."""
    exception = context.get("exception")
    if isinstance(exception, ValueError) and listener.fileno() < 0:
        return  # asyncio accepts again a second after a refusal, though the server was closed
    if isinstance(exception, OSError):
        log.say_once(f"{context['message']}: {exception.strerror}")
        if exception.errno in (errno.EMFILE, errno.ENFILE):
            agent.idle.make_room()
    else:
        log.say("".join(traceback.format_exception(exception)) if exception else context["message"])


def _names(tables: Sequence[Table]) -> str:
    return ", ".join(f"/{table.process}" for table in tables)
