"""The gate: what has to hold of a host before it counts as done."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress

from packager.base.optional_libraries import required_library

from rollout.core.outcomes import cause, gate_flaw
from rollout.core.registry import HostId
from rollout.core.strategy import Gate, GateStatus, HttpCheck
from rollout.hosts.client import Patience
from rollout.hosts.provisioner import Provisioner

with required_library("hosts", extra="rollout"):
    import aiohttp

STATUS_PATIENCE = Patience(answer=930.0)  # the route's own limit and its queue's
QUICK_PATIENCE = Patience(answer=60.0)
CHECK_SECONDS = 10.0  # for a request or a command of the gate
# What an apply has started may need a moment before others see it.
SETTLE_SECONDS = 30.0
PAUSE_SECONDS = 2.0
MAX_BODY_BYTES = 1 << 20


async def status_flaw(provisioner: Provisioner, *, quick: bool, checks: bool) -> str:
    """Why the host is not well, by its own status; empty: it is. Raises as
    `Provisioner.status`."""
    return gate_flaw(await provisioner.status(quick=quick), checks=checks)


async def gate_flaw_of(gate: Gate, provisioner: Provisioner, rollout: str) -> str:
    """The first thing of the gate that does not hold; empty: all holds. Raises as
    `Provisioner.status`."""
    if gate.status is not GateStatus.NONE:
        quick = gate.status is GateStatus.QUICK
        flaw = await status_flaw(provisioner, quick=quick, checks=gate.checks)
        if flaw:
            return flaw
    host = provisioner.host
    for check in gate.http:
        flaw = await _settled(lambda check=check: _http_flaw(check, host))  # type: ignore[misc]
        if flaw:
            return flaw
    if gate.command:
        return await _settled(lambda: _command_flaw(gate.command, host, rollout))
    return ""


async def _settled(look: Callable[[], Awaitable[str]]) -> str:
    """What the last look finds; it is repeated for a while until one finds nothing."""
    loop = asyncio.get_running_loop()
    limit = loop.time() + SETTLE_SECONDS
    while True:
        flaw = await look()
        if not flaw or loop.time() + PAUSE_SECONDS > limit:
            return flaw
        await asyncio.sleep(PAUSE_SECONDS)


async def _http_flaw(check: HttpCheck, host: HostId) -> str:
    ip = host.address.rpartition(":")[0]
    url = check.url.replace("{hostname}", host.hostname).replace("{ip}", ip)
    timeout = aiohttp.ClientTimeout(total=CHECK_SECONDS)
    try:
        # Nothing of ours goes along: neither credentials nor cookies.
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            body = await answer.content.read(MAX_BODY_BYTES)
            if answer.status != check.status:
                return f"{check.url}: status {answer.status}, not {check.status}"
            if check.contains is not None and check.contains.encode() not in body:
                return f"{check.url}: the answer does not contain {check.contains!r}"
    except TimeoutError:
        return f"{check.url}: no answer within {CHECK_SECONDS:g} s"
    except (aiohttp.ClientError, OSError, ValueError):
        return f"{check.url}: it can't be asked"
    return ""


async def _command_flaw(command: tuple[str, ...], host: HostId, rollout: str) -> str:
    environment = {
        **os.environ,
        "ROLLOUT_ID": rollout,
        "ROLLOUT_HOST": host.hostname,
        "ROLLOUT_ADDRESS": host.address,
    }
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        return f"the gate's command {command[0]}: {error.strerror}"
    try:
        _, words = await asyncio.wait_for(process.communicate(), CHECK_SECONDS * 6)
    except TimeoutError:
        return f"the gate's command {command[0]} does not end"
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            await process.wait()
    if process.returncode == 0:
        return ""
    said = cause(words.decode(errors="replace"))
    return f"the gate's command ends with {process.returncode}" + (f": {said}" if said else "")
