"""Where a program of this project starts and ends: words in, exit status out.

Two front ends read the command line (`fast_parser`, `click_parser`); whichever does, the same
handler carries the command out here, and every way it can end has its one place below. The exit
status is always honest: a process that was told to stop by a signal dies of that signal, after
cleaning up.
"""

from __future__ import annotations

import os
import sys

from packager.cli import fast_parser, output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from packager.cli.command_model import Program
    from packager.cli.fast_parser import Invocation


def main(program: Program) -> NoReturn:
    """What a console script does: run the command line of this process and end the process."""
    if sys.getfilesystemencoding() != "utf-8":  # the module is loaded only where it is needed
        from packager.cli import utf8_mode

        utf8_mode.ensure()
    _end(run(program, sys.argv[1:]))


def run(program: Program, words: Sequence[str]) -> int:
    """Run one command line (without the program's name) and return its exit status.

    Doesn't return when the process was interrupted, or when nobody reads its output any more: it
    then dies of the signal that says so (SIGINT, SIGTERM, SIGHUP, SIGPIPE).
    """
    _open_standard_descriptors()
    output.speaker = program.name
    try:
        invocation = fast_parser.parse(program, words, os.environ)
        parsed_by = "fast_parser" if invocation is not None else "click_parser"
        if invocation is None:
            from packager.cli import click_parser

            parsed = click_parser.parse(program, words)
            if isinstance(parsed, int):
                return parsed
            invocation = parsed
        if "PACKAGER_DEBUG" in os.environ:  # the module is not imported where nobody asks for it
            from packager.base.debug_log import debug

            command = invocation[0]
            debug(lambda: f"{program.name} {command.name}: parsed by {parsed_by}")
        return _carry_out(invocation)
    except output.OutputFailed as failure:
        return _output_failed(failure.error)
    except KeyboardInterrupt as stop:
        return _die(getattr(stop, "signum", 2))
    except Exception as error:
        return _failed(error)


def _carry_out(invocation: Invocation) -> int:
    from importlib import import_module

    command, values = invocation
    if command.uses_store and isinstance(root := values.get("root"), str):
        from packager.store.store_format import refuse_newer

        refuse_newer(root)
    module, _, function = command.handler.partition(":")
    handler: Callable[..., int] = getattr(import_module(module), function)
    return handler(**values)


def _failed(error: Exception) -> int:
    """Say what went wrong, and translate it: what the project's own errors say, errno, or a bug."""
    from packager.base.errors import PackagerError, from_os_error

    if isinstance(error, OSError):
        error = from_os_error(error, "")
    if isinstance(error, PackagerError):
        output.complain(str(error))
        return error.exit_code
    import traceback

    traceback.print_exception(error)
    output.complain(f"internal error ({type(error).__name__})")
    return 70


def _output_failed(error: OSError) -> int:
    if isinstance(error, BrokenPipeError):
        return _die(13)
    output.complain(f"can't write to standard output: {error.strerror}")
    return 74


def _end(status: int) -> NoReturn:
    """End the process without taking apart what was loaded, which is a tenth of a short command."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # its descriptor was closed from the start
                stream.flush()
    except OSError as error:
        status = _output_failed(error)
    os._exit(status)


def _die(signum: int) -> int:
    """Die of a signal, so that whoever waits is told the truth; a shell shows 128 + signum."""
    import signal

    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)
    return 128 + signum  # the signal is blocked


def _open_standard_descriptors() -> None:
    """Occupy descriptors 0, 1 and 2 if they are closed, so that no file of ours becomes one.

    They are opened the wrong way round: using them still fails, as it should (gnulib: stdopen).
    """
    for descriptor, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)
