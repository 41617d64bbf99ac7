"""`agentsim call`: one request to a host, its answer as a person wants to see it.

The exit status is the command's own wherever the answer tells it, so that a route can stand in a
script in place of its command.
"""

from __future__ import annotations

import base64
import http.client
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from os import EX_IOERR, EX_NOINPUT, EX_PROTOCOL, EX_TEMPFAIL, EX_USAGE
from pathlib import Path
from typing import BinaryIO

import click

from agentsim.client.connection import CallFailed, Connection, connect, told_as_call_failed
from agentsim.client.exit_status import (
    NO_RECORD,
    CommandOutcome,
    ending,
    exit_status,
    is_record,
    problem,
)
from agentsim.client.terminal import Screen
from agentsim.files.credentials import CredentialsError, read_credentials

_READ = 1 << 16
_NDJSON = "application/x-ndjson"
_PROBLEM = "application/problem+json"
_CUT = "the answer was cut: the connection closed before its end"


@click.command("call")
@click.argument("method", metavar="METHOD")
@click.argument("url", metavar="URL")
@click.option("--data", metavar="FILE", help="Send this file as the body; - is standard input.")
@click.option(
    "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="May be repeated."
)
@click.option(
    "--user",
    metavar="PRINCIPAL:SECRET",
    help="Who asks. Other users of this machine can see it in the list of processes;"
    " --credentials keeps it to itself.",
)
@click.option(
    "--credentials",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Credentials file in Mesos's format; its first principal asks.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Give up when the host has sent nothing for so long; without it the wait has no end.",
)
@click.option(
    "--raw", is_flag=True, help="The body as it is, of errors too, as it does when piped."
)
def call_command(
    method: str,
    url: str,
    data: str | None,
    headers: tuple[str, ...],
    user: str | None,
    credentials: Path | None,
    timeout: float | None,
    raw: bool,
) -> None:
    """Send one request and show the answer; exit as the command did.

    A stream is shown event by event as it arrives, then how the command ended. When standard output
    is no terminal, the body is written there as it came, and words for people go to standard error.

    \b
    Examples:
      agentsim call GET http://127.0.0.1:5051/packager/list.json
      agentsim call POST 'http://127.0.0.1:5051/packager/add?url=http://host/tool--1.0.tar.xz'
      agentsim call POST 'http://127.0.0.1:5051/packager/upload?id=tool--1.0' \\
          --data tool--1.0.tar.xz

    \b
    Exit status: the command's own; 128 and the number of the signal that ended it; without
    either, what fits of sysexits.h: 64 a bad request, 66 not found, 68 no host of that name,
    69 nothing listens or its certificate is not trusted, 74 the answer can't be written here,
    75 try again, 76 no answer, a cut one or a redirect, 77 not allowed.

    \b
    Proxies are those of the environment (http_proxy, https_proxy, all_proxy, no_proxy);
    SSL_CERT_FILE names certificates to trust in place of the system's.
    """
    screen = Screen(raw=raw)
    try:
        fields = _headers(headers, user, credentials)
        with _body(data) as body:
            status = _call(method, url, fields, body, timeout, screen)
    except CallFailed as failed:
        screen.say(str(failed))
        status = failed.status
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:  # whoever reads our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 141
    except OSError as error:
        screen.say(f"standard output: {error.strerror or error}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what Python still holds is lost, too
        status = EX_IOERR
    sys.exit(status)


def _headers(lines: tuple[str, ...], user: str | None, credentials: Path | None) -> dict[str, str]:
    from importlib.metadata import version

    fields = {"User-Agent": f"agentsim/{version('agentsim')}", "Accept": "*/*"}
    for header in lines:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise CallFailed(EX_USAGE, f"--header {header!r}: expected 'NAME: VALUE'")
        fields[name.strip()] = value.strip()
    if user is not None and credentials is not None:
        raise CallFailed(EX_USAGE, "--user and --credentials: give one of them")
    if credentials is not None:
        try:
            known, _ = read_credentials(credentials)
        except CredentialsError as error:
            raise CallFailed(EX_NOINPUT, str(error)) from None
        pair = b":".join(next(iter(known.items())))
    elif user is not None:
        if ":" not in user:
            raise CallFailed(EX_USAGE, "--user: expected PRINCIPAL:SECRET")
        pair = os.fsencode(user)
    else:
        return fields
    return {**fields, "Authorization": "Basic " + base64.b64encode(pair).decode()}


@contextmanager
def _body(data: str | None) -> Iterator[BinaryIO | None]:
    """The body to send, None for none."""
    if data is None:
        yield None
        return
    if data == "-":
        if sys.stdin is None:
            raise CallFailed(EX_NOINPUT, "--data -: standard input is closed")
        yield sys.stdin.buffer
        return
    try:
        file = Path(data).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise CallFailed(EX_NOINPUT, f"{data}: can't be read: {error.strerror}") from None
    with file:
        yield file


def _call(
    method: str,
    url: str,
    fields: dict[str, str],
    body: BinaryIO | None,
    timeout: float | None,
    screen: Screen,
) -> int:
    if url.startswith("/"):
        url = "http://127.0.0.1:5051" + url
    connection = connect(url, timeout)
    with closing(connection.http):
        with told_as_call_failed(connection.place, timeout):
            _send(connection, method, {**fields, **connection.fields}, body)
            response = connection.http.getresponse()
        try:
            return _show(response, method, screen)
        except TimeoutError:
            if timeout is None:  # the kernel's own
                raise CallFailed(EX_PROTOCOL, _CUT) from None
            text = f"{connection.place} sent nothing for {timeout:g} s"
            raise CallFailed(EX_TEMPFAIL, text) from None


def _send(
    connection: Connection,
    method: str,
    fields: dict[str, str],
    body: BinaryIO | None,
) -> None:
    if body is not None:
        size = _size(body)
        if size is not None:  # otherwise it goes out in chunks
            fields = {**fields, "Content-Length": str(size)}
    try:
        connection.http.request(method, connection.target, body, fields)
    except (BrokenPipeError, ConnectionResetError):
        # The host has refused the body before its end; its answer may be there.
        if body is None:
            raise


def _size(body: BinaryIO) -> int | None:
    try:
        status = os.fstat(body.fileno())
        return status.st_size - body.tell() if stat.S_ISREG(status.st_mode) else None
    except OSError:
        return None


def _show(response: http.client.HTTPResponse, method: str, screen: Screen) -> int:
    kind = (response.getheader("Content-Type") or "").partition(";")[0].strip()
    if not 200 <= response.status < 300:
        return _show_error(response, kind, screen)
    if method == "HEAD":  # its body, if there is one, is not read
        return 0
    if kind == _NDJSON:
        # A proxy may have made one piece of a stream, which then has its exit record all the same.
        return _show_lines(response, screen, record_expected=response.length is None)
    if screen.raw or kind != "application/json":
        for piece in _pieces(response):
            screen.write(piece)
    else:
        screen.document(b"".join(_pieces(response)))
    screen.finish()
    return 0


def _show_error(response: http.client.HTTPResponse, kind: str, screen: Screen) -> int:
    body = b"".join(_pieces(response))
    outcome = problem(body) if kind == _PROBLEM else None
    if screen.asked_raw:
        screen.write(body)
        screen.finish()
    elif outcome is None:
        text = body.decode("utf-8", "replace").strip()
        named = text.startswith(str(response.status))  # libprocess's own words name it
        screen.say(text if named else f"{response.status} {response.reason}: {text}")
        if (location := response.getheader("Location")) is not None:
            screen.say(f"It leads to {location}, where this command does not go.", "")
    else:
        screen.problem(outcome)
    return exit_status(outcome or CommandOutcome(status=response.status))


def _show_lines(
    response: http.client.HTTPResponse, screen: Screen, *, record_expected: bool
) -> int:
    """Every line as it comes; the last one is the exit record, if the stream is whole."""
    last = b""
    rest = b""
    cut = False
    try:
        for piece in _pieces(response):
            if screen.raw:
                screen.write(piece)
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                # Only the very last line is the record; what looks like it before is an event.
                if last:
                    screen.event(last)
                last = b""
                if is_record(line):
                    last = line
                else:
                    screen.event(line)
    except CallFailed:
        cut = True
    except TimeoutError:
        screen.finish()
        raise
    if rest and last:
        screen.event(last)
        last = b""
    if rest:
        screen.event(rest)
    screen.finish()
    if not (cut or last or record_expected):
        return 0
    if cut or rest or not last:
        screen.say(NO_RECORD)
        return EX_PROTOCOL
    end = ending(last)
    screen.ending(end)
    return exit_status(end)


def _pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body as it arrives; raises CallFailed where it is cut."""
    try:
        while piece := response.read1(_READ):
            yield piece
    except TimeoutError:
        raise
    except (http.client.HTTPException, OSError, ValueError):
        raise CallFailed(EX_PROTOCOL, _CUT) from None
    if response.length:  # what is missing of the length that was promised
        raise CallFailed(EX_PROTOCOL, _CUT)
