"""One question to the agent: its curl line, then the answer, shown while it comes in."""

from __future__ import annotations

import base64
import http.client
import json
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from agentsim.demo.terminal import Screen, size

# The headers that say something about the step; the others are the same on every answer.
TELLING = ("Content-Type", "Transfer-Encoding", "Allow", "WWW-Authenticate", "Retry-After")


class Surprise(Exception):
    """An answer that the story did not expect; the text says which."""


@dataclass(frozen=True)
class Answer:
    """What came back: the status, and the JSON document or the events of a stream."""

    status: int
    document: Any
    events: list[dict[str, Any]]

    @property
    def exit_code(self) -> int | None:
        """The command's exit code as the exit record of a stream tells it."""
        return self.events[-1].get("exit_code") if self.events else None


class Asker:
    """Asks one agent, as one principal, and shows it.

    Args:
        screen: where it is shown.
        url: the agent's.
        user: `principal:secret`.
    """

    def __init__(self, screen: Screen, url: str, user: str) -> None:
        self._screen = screen
        self._url = url
        self._user = user

    def curl(
        self,
        method: str,
        path: str,
        known: bool = True,
        body: Path | None = None,
        **query: str,
    ) -> list[str]:
        """The pieces of the curl line that asks the same; -i shows status and headers."""
        pieces = ["curl -iN" if method == "POST" else "curl -i"]
        if known:
            pieces[0] += f" -u {self._user}"
        if method != "GET":
            pieces[0] += f" -X {method}"
        if body is not None:
            pieces.append(f"--data-binary @{shlex.quote(str(body))}")
        return [*pieces, shlex.quote(self._url + target(path, query))]

    def ask(
        self,
        expected: int,
        method: str,
        path: str,
        *,
        known: bool = True,
        body: Path | None = None,
        **query: str,
    ) -> Answer:
        """Show the curl line, ask, show the answer.

        `known` sends the credentials, `body` the content of a file.

        Raises:
            Surprise: the status is not the expected one, or the agent went away.
        """
        self._screen.command(*self.curl(method, path, known, body, **query))
        headers = {"Authorization": "Basic " + base64.b64encode(self._user.encode()).decode()}
        connection = http.client.HTTPConnection(urlsplit(self._url).netloc, timeout=120)
        try:
            began = time.monotonic()
            connection.request(
                *(method, target(path, query), body.read_bytes() if body else None),
                headers=headers if known else {},
            )
            response = connection.getresponse()
            self._screen.status(
                response.status,
                response.reason,
                [(name, value) for name, value in response.getheaders() if name in TELLING],
            )
            if response.getheader("Transfer-Encoding") == "chunked":
                answer = Answer(response.status, None, self._events(response, began))
            else:
                answer = Answer(response.status, self._document(response), [])
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Surprise(f"{method} {path}: {error or type(error).__name__}") from error
        finally:
            connection.close()
        if answer.status != expected:
            raise Surprise(f"{method} {path}: expected {expected}, got {answer.status}")
        return answer

    def _document(self, response: http.client.HTTPResponse) -> Any:
        body = response.read()
        if "json" not in (response.getheader("Content-Type") or ""):
            self._screen.output(body.decode("utf-8", "replace"))
            return None
        document = json.loads(body)
        self._screen.document(document)
        return document

    def _events(self, response: http.client.HTTPResponse, began: float) -> list[dict[str, Any]]:
        events = []
        while line := response.readline():
            event: dict[str, Any] = json.loads(line)
            events.append(event)
            seconds = time.monotonic() - began
            if event.get("record") == "exit":
                name, text = "exit record", exit_record(event, events)
            elif event.get("event") == "fetching":
                name, text = "fetching", progress(event)
            else:
                name, text = str(event.get("event")), summary(event)
            self._screen.event(seconds, name, text, replace=name == "fetching")
        return events


def target(path: str, query: dict[str, str]) -> str:
    """A request target; what the query's syntax does not need escaped stays readable."""
    joined = "&".join(f"{name}={quote(value, safe='/:,')}" for name, value in query.items())
    return f"{path}?{joined}" if joined else path


def progress(event: dict[str, Any]) -> str:
    """A `fetching` event as a bar."""
    done, total = int(event.get("bytes") or 0), int(event.get("total") or 0)
    if not total:
        return size(done)
    filled = round(24 * done / total)
    return f"{'█' * filled}{'░' * (24 - filled)} {size(done):>8} of {size(total)}"


def exit_record(record: dict[str, Any], events: list[dict[str, Any]]) -> str:
    """The exit record in a line; what the command wrote to stderr only if no event told it."""
    ending = "signal" if record["signal"] else "exit_code"
    members = {name: record[name] for name in (ending, "reason", "seconds")}
    if record["stderr"] and not any(event.get("event") == "failed" for event in events):
        members["stderr"] = record["stderr"].strip()
    return summary(members)


def summary(members: dict[str, Any]) -> str:
    """The fields of an event in a line; a hash is cut, and a sentence stands without its name."""
    words = []
    for name, value in members.items():
        text = value if isinstance(value, str) else json.dumps(value)
        if name in ("error", "message"):
            words.append(text)
        elif len(text) == 64 and " " not in text:
            words.append(f"{name} {text[:12]}…")
        elif name != "event":
            words.append(f"{name} {text}")
    return ", ".join(words)
