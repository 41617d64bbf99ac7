"""Servers that answer as masters were recorded to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from rollout.master.places import MasterPlace

RECORDED = Path(__file__).parents[3] / "fixtures" / "masters" / "recorded.json"
ITEMS: list[dict[str, Any]] = json.loads(RECORDED.read_text(encoding="utf-8"))["items"]
RESPONSES = {each["name"]: each["response"] for each in ITEMS if "name" in each}
MASTER = "api: get-master"
SLAVES = "list: slaves"


@dataclass
class Asked:
    """A request that came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class RecordedMaster:
    """A server and what it was asked. answers: for each kind of request the names of recordings, or
    whole answers, the last of which is given again and again."""

    place: MasterPlace
    answers: dict[str, list[str | web.Response]]
    asked: list[Asked] = field(default_factory=list)

    def tell(self, kind: str, *answers: str | web.Response) -> None:
        """Answer requests of this kind so from now on."""
        self.answers[kind] = [*answers]

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.asked.append(Asked(request.method, request.path, dict(request.headers), body))
        kind = json.loads(body)["type"] if body else request.path.removeprefix("/master")
        left = self.answers[kind]
        chosen = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(chosen, str):
            return recorded(chosen)
        return web.Response(status=chosen.status, headers=chosen.headers, body=chosen.body)


def recorded(name: str, **headers: str) -> web.Response:
    """The answer of that name."""
    status, given, body = RESPONSES[name]
    return web.Response(status=status, headers={**given, **headers}, body=body.encode())


def redirect(location: str) -> web.Response:
    """The answer of a master that does not lead."""
    return web.Response(status=307, headers={"Location": location})


@asynccontextmanager
async def masters(count: int = 1) -> AsyncIterator[Sequence[RecordedMaster]]:
    """So many of them, each of which leads and has the agents of the first recording."""
    found: list[RecordedMaster] = []
    runners: list[web.AppRunner] = []
    for _ in range(count):
        answers: dict[str, list[str | web.Response]] = {"GET_MASTER": [MASTER], "/slaves": [SLAVES]}
        master = RecordedMaster(MasterPlace("http", "127.0.0.1", 0), answers)
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", master.answer)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        master.place = MasterPlace("http", "127.0.0.1", runner.addresses[0][1])
        found.append(master)
    try:
        yield found
    finally:
        for each in runners:
            await each.cleanup()
