"""Driving a headless Chromium through its DevTools protocol, over a pair of pipes.

`--remote-debugging-pipe`: JSON messages that end in NUL, to descriptor 3, from descriptor 4.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


class Browser:
    """One tab of a running browser."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._received = b""
        self._number = 0
        self._session = ""
        self.events: list[dict[str, Any]] = []

    def open(self, url: str) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=url)

    def call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 30
        while True:
            answer = self._next(deadline)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._received:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self._read], [], [], left)[0], "no answer"
            data = os.read(self._read, 1 << 20)
            assert data, "the browser has ended"
            self._received += data
        text, _, self._received = self._received.partition(b"\0")
        return dict(json.loads(text))

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self._evaluate(expression)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def _evaluate(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)

    def wait(self, expression: str, seconds: float = 20) -> Any:
        """The value of an expression, once it is true; until then it may throw."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self._evaluate(expression)
            if "exceptionDetails" not in answer and answer["result"].get("value"):
                return answer["result"]["value"]
            assert time.monotonic() < deadline, f"never true: {expression}"
            select.select([self._read], [], [], 0.05)

    def complaints(self) -> list[Any]:
        """What the browser or a script complained of: refused by the policy, errors."""
        thrown = [e for e in self.events if e.get("method") == "Runtime.exceptionThrown"]
        logged = [e for e in self.events if e.get("method") == "Log.entryAdded"]
        return thrown + [e for e in logged if e["params"]["entry"]["level"] in ("error", "warning")]


@contextmanager
def browser(profile: Path, *options: str) -> Iterator[Browser]:
    """A headless Chromium with one empty profile; skips the test where there is none."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is in PATH")
    child_reads, write = os.pipe()
    read, child_writes = os.pipe()
    arguments = [
        *(program, "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={profile}"),
        *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
        *("--window-size=1300,1000", *options),
    ]
    # Puts the pipes where Chromium looks for them. Copies first: they may be 3 and 4 themselves.
    move = (
        f"import os, sys; reads, writes = os.dup({child_reads}), os.dup({child_writes});"
        " os.dup2(reads, 3); os.dup2(writes, 4); os.set_inheritable(3, True);"
        " os.set_inheritable(4, True); os.execv(sys.argv[1], sys.argv[1:])"
    )
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", move, *arguments],
        pass_fds=(child_reads, child_writes),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(child_reads)
    os.close(child_writes)
    try:
        yield Browser(write, read)
    finally:
        os.close(write)
        os.close(read)
        process.terminate()
        process.wait(20)
