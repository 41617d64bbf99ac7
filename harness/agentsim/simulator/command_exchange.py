"""One request for a command: from its head to its answer.

The stages are the ABI's: the body is received whole, a place is waited for, the command is run, and
its output becomes the answer, all at once (`whole`) or line by line (`stream`).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from agentsim.core import answer as answers
from agentsim.core import environment
from agentsim.core.argv import CommandLine, Refusal, build
from agentsim.core.exit_record import exit_record
from agentsim.core.outcome import Outcome
from agentsim.core.route_table import Route
from agentsim.run.concurrency_limit import Waiter
from agentsim.run.invocation import CommandSpec, Invocation
from agentsim.run.pipe_holders import Bystander
from agentsim.run.running_command import MakeCommand, RunningCommand
from agentsim.run.spool import Buffer, Spool, SpoolFull
from agentsim.simulator.command_registry import CommandRegistry
from agentsim.simulator.exchange import ClientConnection, Exchange
from agentsim.simulator.served_table import ServedTable
from agentsim.wire.request_parser import Request

Output = Callable[[bytes], None]

_DEV_NULL = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


class CommandObserver(Protocol):
    """Whoever is told of commands: the log, the counters, the page."""

    def invocation(self, exchange: CommandExchange, outcome: Outcome, size: int) -> None:
        """A command has ended, could not be started, or can't be killed; it has written `size`
        bytes."""

    def late_exit(self, exchange: CommandExchange) -> None:
        """A command that could not be killed has ended by itself."""


@dataclass(slots=True)
class CommandHost:
    """What the commands of one host share.

    Attributes:
        loop: the event loop.
        spool: where bodies and output go that do not fit in memory.
        commands: which of them wait and run.
        observers: told of every command.
        say: takes a sentence for the host's log.
        tap: if set, is shown each command as it starts and may stand between it and whoever takes
            its output.
        make: makes the commands; a process for each, unless they are played.
    """

    loop: asyncio.AbstractEventLoop
    spool: Spool
    commands: CommandRegistry
    observers: Sequence[CommandObserver]
    say: Callable[[str], None]
    tap: Callable[[CommandExchange, Output], Output] | None = None
    make: MakeCommand = Invocation


@dataclass(slots=True)
class CommandRequest:
    """A request that a route takes.

    Attributes:
        head: its head.
        table: the route's.
        route: which takes it.
        rest: what is left of the path behind the route's.
        request_id: the client's, or a new one.
        principal: who has proved to be the client; None on a route without a realm.
        refusal: why the client is not let in, None if it is.
    """

    head: Request
    table: ServedTable
    route: Route
    rest: bytes
    request_id: str
    principal: str | None
    refusal: Refusal | None


class CommandExchange(Exchange):
    """A request that a route answers by running its command."""

    __slots__ = (
        "_body",
        "_command_line",
        "_ended_with_newline",
        "_gone",
        "_invocation",
        "_output",
        "_received",
        "_refusal",
        "_rest",
        "_table",
        "_waiter",
        "host",
        "principal",
        "request_id",
        "route",
    )

    def __init__(
        self, connection: ClientConnection, asked: CommandRequest, host: CommandHost
    ) -> None:
        super().__init__(connection, asked.head)
        self.host = host
        self._table = asked.table
        self.route = asked.route
        self._rest = asked.rest
        self.request_id = asked.request_id
        self.principal = asked.principal
        self._refusal = asked.refusal
        self._received = 0
        self._body: Buffer | None = None
        self._output: Buffer | None = None
        self._invocation: RunningCommand | None = None
        self._waiter: Waiter | None = None
        self._gone = False
        self._ended_with_newline = True
        self._command_line: CommandLine | None = None

    def begin(self) -> None:
        line = self._refusal or build(self.route, self.request.query, self._rest)
        if isinstance(line, Refusal):
            self._refuse(line)
        elif _declared_length(self.request) > self.route.max_body:
            self._refuse(answers.body_too_large(self.route))
        else:
            self._command_line = line

    # -- the body -----------------------------------------------------------------------------

    @property
    def takes_body(self) -> bool:
        return not self.done

    def on_body(self, data: bytes) -> None:
        if self.done:
            return  # refused already; what still comes is dropped
        self._received += len(data)
        if self._received > self.route.max_body:
            self._refuse(answers.body_too_large(self.route))
            return
        try:
            if self._body is None:
                self._body = self.host.spool.buffer()
            self._body.write(data)
        except SpoolFull as error:
            self._refuse(answers.body_not_kept(str(error)))
            self.host.say(f"request {self.request_id}: its body can't be kept: {error}")

    def on_body_failure(self, reason: str) -> None:
        self._forget_body()
        super().on_body_failure(reason)

    def on_end(self) -> None:
        if self.done:
            return
        if self.host.commands.closing:
            self._refuse(answers.shutting_down())
            return
        self._waiter = self._table.concurrency(self.route).acquire(self._start, self._busy)
        if self._waiter is not None:
            self.host.commands.wait(self)

    def _busy(self) -> None:
        self._waiter = None
        self.host.commands.leave(self)
        self._refuse(answers.busy(self.route))

    def _refuse(self, refusal: Refusal) -> None:
        self._forget_body()
        answer = answers.refusal_answer(refusal, self.request_id)
        self.answer(answer.status, answer.headers, answer.body or b"")

    def _forget_body(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    # -- the command --------------------------------------------------------------------------

    def _start(self) -> None:
        self._waiter = None
        line, route = self._command_line, self.route
        assert line is not None
        self.request_id = self.host.commands.start(self, self.request_id)
        lack: OSError | None = None
        try:
            stdin = self._stdin()
        except OSError as error:
            stdin, lack = _DEV_NULL, error
        # Asked now: to look at a file rewinds it, and the command reads from the same place.
        own = stdin != _DEV_NULL and self._body is not None and self._body.file is None
        spec = CommandSpec(
            command=self._table.table.command,
            arguments=line.arguments,
            environment=environment.environment(
                self._table.environment,
                route,
                method=self.request.method,
                request_id=self.request_id,
                deadline=time.time() + line.timeout,
                principal=self.principal,
            ),
            directory=route.working_directory,
            limits=self._table.resource_limits(route),
            stdin=stdin,
            timeout=line.timeout,
            idle_timeout=route.idle_timeout,
            grace=route.grace,
            max_bytes=route.max_bytes,
            request_id=self.request_id,
        )
        streaming = route.delivery == "stream"
        output: Output = self._on_stream_output if streaming else self._on_whole_output
        if self.host.tap is not None:
            output = self.host.tap(self, output)
        self._invocation = self.host.make(
            self.host.loop,
            spec,
            output,
            self._on_finished,
            self._on_bystanders,
            self._on_late_exit,
        )
        if lack is not None:
            self._invocation.cannot_start(lack)
            return
        self._invocation.start()
        if own:
            os.close(stdin)

    def _stdin(self) -> int:
        body = self._body
        if body is None or body.size == 0:
            return _DEV_NULL
        if body.file is not None:
            return body.file.fileno()
        # A pipe may hold less than this, and nobody waits here to fill it.
        fd = os.memfd_create("body", os.MFD_CLOEXEC)
        try:
            os.write(fd, body.read())
            os.lseek(fd, 0, os.SEEK_SET)
        except BaseException:
            os.close(fd)
            raise
        return fd

    @property
    def pid(self) -> int:
        """The process id of the command, 0 if it has not been started."""
        return self._invocation.pid if self._invocation is not None else 0

    @property
    def refused(self) -> bool:
        """Whether it was answered without a command."""
        return self.status != 0 and self._invocation is None

    def end(self, reason: str) -> None:
        """End the command that runs."""
        assert self._invocation is not None
        self._invocation.end(reason)

    def kill(self) -> None:
        """Kill the command that runs."""
        assert self._invocation is not None
        self._invocation.kill()

    def stop_waiting(self) -> None:
        """Give up the wait for a place, since there will be none."""
        self._leave_queue()
        self._refuse(answers.shutting_down())

    def _leave_queue(self) -> None:
        if self._waiter is not None:
            self._table.concurrency(self.route).leave(self._waiter)
            self._waiter = None
            self.host.commands.leave(self)

    # -- the output ---------------------------------------------------------------------------

    def _on_whole_output(self, data: bytes) -> None:
        if self._gone:
            return
        if self._output is None:
            self._output = self.host.spool.buffer()
        self._output.write(data)

    def _on_stream_output(self, data: bytes) -> None:
        if self._gone:
            return
        if not self.streaming:
            head = answers.stream_answer(self.route)
            self.begin_stream(head.status, head.headers)
        self._ended_with_newline = data.endswith(b"\n")
        self.stream(data)
        if self.pending is not None and self.pending.refusal:
            raise SpoolFull(self.pending.refusal)

    def _on_finished(self, outcome: Outcome, output_bytes: int) -> None:
        self._forget_body()  # the command had it open until now
        try:
            for observer in self.host.observers:
                observer.invocation(self, outcome, output_bytes)
            self._answer(outcome)
        finally:
            if outcome.runs_on:
                self.host.commands.abandon(self)
            else:
                self._leave_place()

    def _on_late_exit(self) -> None:
        for observer in self.host.observers:
            observer.late_exit(self)
        self._leave_place()

    def _leave_place(self) -> None:
        self.host.commands.finish(self)
        self._table.concurrency(self.route).release()

    def _answer(self, outcome: Outcome) -> None:
        if self._gone:
            self._forget_output()
        elif self.streaming or (
            self.route.delivery == "stream" and answers.status_of(self.route, outcome) < 400
        ):
            self._end_stream(outcome)
        else:
            self._answer_whole(outcome)

    def _on_bystanders(self, bystanders: Sequence[Bystander]) -> None:
        for bystander in bystanders:
            self.host.say(
                f"{self.route.process}{self.route.path} request {self.request_id}:"
                f" {bystander.process.name} ({bystander.process.pid}) holds the command's output"
                f" and is left alone: {bystander.reason}"
            )

    def _end_stream(self, outcome: Outcome) -> None:
        if not self.streaming:
            head = answers.stream_answer(self.route)
            self.begin_stream(head.status, head.headers)
        newline = b"" if self._ended_with_newline else b"\n"
        self.stream(newline + exit_record(outcome))
        self.end_stream()

    def _answer_whole(self, outcome: Outcome) -> None:
        output = self._output
        file = output.file if output is not None else None
        stdout = None if file is not None else output.read() if output is not None else b""
        answer = answers.answer(self.route, outcome, stdout)
        if answer.body is None:
            assert file is not None and output is not None
            self.answer_file(answer.status, answer.headers, file, output.size)
        else:
            self.answer(answer.status, answer.headers, answer.body)
            self._forget_output()

    def _forget_output(self) -> None:
        if self._output is not None:
            self._output.close()
            self._output = None

    def on_sent(self) -> None:
        self._forget_output()

    def on_gone(self) -> None:
        self._gone = True
        if self._invocation is None:
            self._forget_body()
        self._forget_output()
        self._leave_queue()
        if self._invocation is not None and self.route.disconnect == "kill":
            self._invocation.end("client-gone")


def _declared_length(request: Request) -> int:
    # http-parser lets blanks stand between the digits.
    digits = request.headers.get(b"content-length", b"0").replace(b" ", b"")
    return int(digits or b"0") if len(digits) <= 20 else 1 << 64
