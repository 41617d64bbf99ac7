"""The life of one store whose hosts are killed at random moments, again and again.

Two agents take turns on the same volume: while one is killed and starts anew, the other one goes
on. The moments fall into the work: the kill is given when the store begins to change, and so long
after it as drawn from the time that an unharmed run of the same operation takes.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from agentsim.suite.hosts.http_client import Disconnected, Response

from tests.support.package_sets import check, look, tidy

from .agents import SECONDS, Agent, archive

FILES = 400
_LOOK = 0.001
WATCHED = ("", "staging", "packages", "manifests", "generations", "generations/next", "history",
           "provisioner")  # fmt: skip

#: A package that is there and active at all times.
CONSTANT = "db--1"

Shown = dict[str, str]


def files(package_id: str) -> dict[str, bytes]:
    """The files of a package: no two versions have one in common, but for that of its name."""
    name = package_id.partition("--")[0]
    found = {f"lib/{package_id}/{i}": f"{package_id} {i}\n".encode() * 50 for i in range(FILES)}
    return {f"bin/{name}": package_id.encode(), **found}


def shown(package_ids: Sequence[str], configuration: str = "") -> Shown:
    """What readers see when these are active."""
    found = {path: data.decode() for each in package_ids for path, data in files(each).items()}
    return {**found, "etc/web.conf": configuration} if configuration else found


@dataclass(frozen=True)
class Operation:
    """A change that is asked for over HTTP.

    Attributes:
        name: of its kind.
        target: what is posted to.
        body: that is posted.
        after: what readers see when it is done.
    """

    name: str
    target: str
    after: Shown
    body: bytes | None = None


@dataclass
class Life:
    """A store, its two agents, and what has become of them.

    Attributes:
        root: the store.
        agents: one that works, and one that waits or starts.
        chance: draws the moments.
        spans: seconds from the first change of the store to the answer, of operations unharmed; of
            these, the moments of their kills are drawn.
        kills: of each operation, how many fell before its first change, into it, behind its answer.
        lost: what was wrong after kills, in words.
    """

    root: Path
    agents: list[Agent]
    chance: random.Random
    spans: dict[str, float] = field(default_factory=dict)
    kills: dict[str, Counter[str]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    _version: int = 0
    _latency: float = 0.1  # seconds from the call of the engine to the end of the processes

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(2)
        self._starting: Future[None] | None = None

    def close(self) -> None:
        """Wait for what still starts."""
        if self._starting is not None:
            self._starting.exception(SECONDS)
        self._pool.shutdown()

    # -- what is done -------------------------------------------------------------------------

    def begin(self) -> None:
        """Two packages are active."""
        for each in ("web--0", CONSTANT):
            self.agents[0].done(f"/packager/upload?id={each}", archive(files(each)))
        self.agents[0].done(f"/packager/activate?ids=web--0,{CONSTANT}")

    def round(self) -> Iterator[Operation]:
        """Each operation once; the next round finds a store like the one that this one found."""
        self._version += 1
        old, new = f"web--{self._version - 1}", f"web--{self._version}"
        upload = archive(files(new))
        before = look(self.root)
        yield Operation("add", f"/packager/upload?id={new}", before, upload)
        configuration = before.get("etc/web.conf", "")
        yield Operation("swap", f"/packager/swap?id={new}", shown([new, CONSTANT], configuration))
        yield Operation(
            "activate", f"/packager/activate?ids={old},{CONSTANT}", shown([old, CONSTANT])
        )
        profile = {
            "profile": 1,
            "name": "web",
            "packages": [new, CONSTANT],
            "configuration": {"files": [{"path": "etc/web.conf", "content": new}]},
        }
        body = json.dumps(profile).encode()
        yield Operation("apply", "/provisioner/apply", shown([new, CONSTANT], new), body)
        yield Operation("gc", "/packager/gc?keep=1", shown([new, CONSTANT], new))

    def measure(self, operation: Operation) -> None:
        """Run an operation unharmed, and remember how long it took."""
        running = self._request(operation)
        changed = self._await_change(running)
        answer = running.result(SECONDS)
        assert answer is not None and well(answer), f"{operation.name}, unharmed: {answer}"
        self.spans[operation.name] = self._ended - changed
        assert look(self.root) == operation.after, operation.name

    def kill(self, operation: Operation) -> None:
        """Ask for an operation, kill its host in the middle of it, and look at what is left."""
        before, listing = look(self.root), names(self.root)
        drawn = self.chance.uniform(0, self.spans[operation.name])
        running = self._request(operation)
        self._await_change(running)
        time.sleep(max(0.0, drawn - self._latency))  # the moment itself: there is nothing to await
        given = time.monotonic()
        victim = self.agents[0]
        victim.kill()
        answer = running.result(SECONDS)
        when = "after" if answer else "in" if names(self.root) != listing else "before"
        # Machines get busier and idler: the spans follow, so that about one kill in six comes late.
        self.spans[operation.name] *= 1.05 if answer is None else 0.8
        if answer is None:
            self._latency = self._latency / 2 + (self._ended - given) / 2
        self.kills.setdefault(operation.name, Counter())[when] += 1
        number = sum(each.total() for each in self.kills.values())
        self._take_turns()
        for reason in self._wrong(operation, before, other=number % 2 == 0):
            told = f"kill {number}, {when} {operation.name}, {drawn:.3f} s after its begin"
            self.lost.append(f"{told}: {reason}")

    def _wrong(self, operation: Operation, before: Shown, *, other: bool) -> Iterator[str]:
        """What is wrong after a kill, in words; the next change is the same again, or another."""
        if look(self.root) not in (before, operation.after):
            yield "neither the old nor the new set is active"
        if other:
            target = f"/packager/upload?id={CONSTANT}"
            same = self.agents[0].ask("POST", target, archive(files(CONSTANT)))
            if not well(same):
                yield f"{CONSTANT} can't be added again: {same.text}"
            yield from left_over(self.root)
        again = self.agents[0].ask("POST", operation.target, operation.body)
        if not well(again):
            yield f"it can't be asked for again: {again.text}"
        if look(self.root) != operation.after:
            yield "asked for again, it has not done its work"
        yield from left_over(self.root)
        told = self.agents[0].document("/packager/verify.json")
        if not told["ok"]:
            yield f"verify finds {told}"

    # -- how it is done -----------------------------------------------------------------------

    def _request(self, operation: Operation) -> Future[Response | None]:
        """Post it, beside what follows; the result: the answer, if one came to its end."""
        agent = self.agents[0]
        self._watched = self._look()

        def post() -> Response | None:
            try:
                return agent.ask("POST", operation.target, operation.body)
            except (Disconnected, OSError):
                return None
            finally:
                self._ended = time.monotonic()

        return self._pool.submit(post)

    def _await_change(self, running: Future[Response | None]) -> float:
        """Wait until the store changes, or the request has ended; when that was."""
        while not running.done() and self._look() == self._watched:
            time.sleep(_LOOK)
        return time.monotonic()

    def _look(self) -> list[int]:
        found = []
        for name in WATCHED:
            try:
                found.append((self.root / name).stat().st_mtime_ns)
            except OSError:
                found.append(0)
        return found

    def _take_turns(self) -> None:
        """The killed agent starts again, the other one works."""
        killed, other = self.agents
        if self._starting is not None:
            self._starting.result(SECONDS)
        self._starting = self._pool.submit(killed.restart)
        self.agents = [other, killed]

    def table(self) -> Iterator[str]:
        """How many kills fell where, a line for each operation."""
        for name, counted in self.kills.items():
            told = ", ".join(f"{counted[when]} {when}" for when in ("before", "in", "after"))
            yield f"{name}: {counted.total()} kills: {told}"


def well(answer: Response) -> bool:
    """Whether a command told that it has done its work."""
    return answer.status == 200 and answer.record["exit_code"] == 0


def left_over(root: Path) -> Iterator[str]:
    """What is there that should not be, or is not as its document says, in words."""
    try:
        check(root, content=False)
        tidy(root)
    except (AssertionError, OSError, ValueError) as error:
        yield f"something is left over: {error}"


def names(root: Path) -> set[str]:
    """All that there is, by path and, of links, target; locks are no change."""
    found = set()
    for place, directories, others in os.walk(root):
        for name in (*directories, *others):
            path = Path(place, name)
            if "lock" not in name:
                found.add(f"{path} -> {path.readlink()}" if path.is_symlink() else str(path))
    return found
