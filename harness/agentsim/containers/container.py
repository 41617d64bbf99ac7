"""One container that was started: reach it, wait for it, read what it says, end it."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from docker.errors import DockerException

from agentsim.containers.cleanup import remove

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

PORT: Final = 5051
_LAST_LINES: Final = 50
_CONNECT_SECONDS: Final = 1.0


class DidNotStart(Exception):
    """A container ended, or did not get healthy; the text says how, and ends with its log."""


class Running:
    """A container that was started.

    Args:
        client: of the engine.
        container: of the SDK.
        deadline: seconds that any wait may last, unless it says otherwise.
    """

    def __init__(self, client: DockerClient, container: Container, deadline: float) -> None:
        self.client = client
        self.container = container
        self.deadline = deadline

    # -- reaching it --------------------------------------------------------------------------

    @property
    def address(self) -> tuple[str, int]:
        """Where its port 5051 is reached from here.

        The container's own address, if this machine reaches that: between a published port and the
        container stands a proxy, which hides how connections end.
        """
        settings = self.settings("NetworkSettings")
        own = [network["IPAddress"] for network in settings["Networks"].values()]
        for ip in filter(None, own):
            if _reached(ip):
                return ip, PORT
        published = (settings["Ports"] or {}).get(f"{PORT}/tcp")
        if not published:
            raise DidNotStart(f"{self.name} can't be reached: it has neither address nor port here")
        return published[0]["HostIp"], int(published[0]["HostPort"])

    @property
    def url(self) -> str:
        """`http://ADDRESS:PORT` of its port 5051."""
        return "http://{}:{}".format(*self.address)

    @property
    def name(self) -> str:
        """The engine's name for it."""
        return str(self.container.name)

    def execute(self, *words: str, user: str = "") -> tuple[int, str]:
        """Run a command in it; its exit code and all that it wrote."""
        done = self.container.exec_run(list(words), user=user)
        output = cast("bytes", done.output)
        return int(done.exit_code or 0), output.decode("utf-8", "replace")

    # -- how it is ----------------------------------------------------------------------------

    def settings(self, part: str) -> dict[str, Any]:
        """A part of the engine's record of it, as it is now: State, NetworkSettings, Config …"""
        self.container.reload()
        found: dict[str, Any] = self.container.attrs[part]
        return found

    @property
    def state(self) -> dict[str, Any]:
        """The engine's record of its state: Status, ExitCode, OOMKilled, Health, Pid …"""
        return self.settings("State")

    @property
    def pid(self) -> int | None:
        """The process id of its first process on this machine; None if that is not known.

        The engine may run in another machine, a virtual one perhaps.
        """
        pid = int(self.state["Pid"])
        with contextlib.suppress(OSError):
            groups = Path(f"/proc/{pid}/cgroup").read_text("utf-8", "replace")
            if pid and str(self.container.id) in groups:
                return pid
        return None

    def logs(self, last: int | None = None) -> str:
        """What it has written so far, or the last lines of that."""
        data = self.container.logs(tail="all" if last is None else last)
        return data.decode("utf-8", "replace")

    def follow(self, file: Path) -> threading.Thread:
        """Write its log to a file, which is there at once, until it ends."""
        log = file.open("wb", buffering=0)

        def write() -> None:
            # It may be removed while it is followed.
            with log, contextlib.suppress(DockerException, OSError):
                for data in self.container.logs(stream=True, follow=True):
                    log.write(data)

        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        return thread

    def await_words(self, words: re.Pattern[str], seconds: float | None = None) -> None:
        """Wait until its log has some words, as its log comes.

        Raises:
            DidNotStart: it ended, or did not say them in time.
        """
        limit = self.deadline if seconds is None else seconds
        end = time.monotonic() + limit
        said = ""
        stream = self.container.logs(stream=True, follow=True)
        # Who says nothing more is not waited for any longer, either.
        timer = threading.Timer(limit, stream.close)
        timer.start()
        try:
            for data in stream:
                said += data.decode("utf-8", "replace")
                if words.search(said):
                    return
        except (OSError, ValueError, DockerException):
            pass  # closed by the timer
        finally:
            timer.cancel()
            stream.close()
        if time.monotonic() < end:
            raise DidNotStart(self.report("ended"))
        raise DidNotStart(self.report(f"did not say {words.pattern!r} within {limit} s"))

    def await_health(self, seconds: float | None = None) -> None:
        """Wait until its health check says that it is healthy, by the engine's events.

        Raises:
            DidNotStart: it ended, or was not healthy in time.
        """
        limit = self.deadline if seconds is None else seconds
        for action in self._events(limit):
            if action == "health_status: healthy":
                return
            if action == "die":
                raise DidNotStart(self.report("ended"))
        raise DidNotStart(self.report(f"was not healthy within {limit} s"))

    def _events(self, seconds: float) -> Iterator[str]:
        """What happens to it, from its start on; ends by itself, on the engine's clock."""
        started = datetime.fromisoformat(self.state["StartedAt"][:26].rstrip("Z") + "+00:00")
        now = datetime.fromisoformat(_engine_time(self.client.info()["SystemTime"]))
        events = self.client.events(
            since=int(started.timestamp()),
            until=int(now.timestamp() + seconds + 1),
            filters={"container": self.container.id, "type": "container"},
            decode=True,
        )
        try:
            for event in events:
                yield str(event["Action"])
        finally:
            events.close()

    def report(self, what: str) -> str:
        """A sentence about it, its state and the end of its log: for who has to find out why."""
        state = self.state
        killed = ", killed for want of memory" if state["OOMKilled"] else ""
        head = f"{self.name} {what}: {state['Status']}, exit {state['ExitCode']}{killed}"
        return f"{head}\n{self.logs(_LAST_LINES)}"

    # -- its end ------------------------------------------------------------------------------

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its first process."""
        self.container.kill(signal=number.name)

    def wait(self, seconds: float | None = None) -> int:
        """Wait for its end; its exit code, or the negative number of a signal."""
        limit = self.deadline if seconds is None else seconds
        code = int(self.container.wait(timeout=limit)["StatusCode"])
        # Shells, tini and the engine itself say so of a signal.
        return 128 - code if code > 128 else code

    def remove(self) -> None:
        """End and remove it, whatever it does; safe to be called again."""
        remove(self.container)


def _reached(ip: str) -> bool:
    """Whether packets get there; that nobody listens yet is an answer, too."""
    try:
        socket.create_connection((ip, PORT), _CONNECT_SECONDS).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


def _engine_time(text: str) -> str:
    """An engine's time without what Python can't read: more than six digits of a second."""
    head, _, rest = text.partition(".")
    zone = rest.lstrip("0123456789").replace("Z", "+00:00")
    return f"{head}{zone}"
