"""The front end that explains: a click group made from the same definition of the commands.

It parses every command line, the well-formed ones too (to the same values as `fast_parser`), and
has the words for the others: help with examples, errors with suggestions, completion of ids and
files.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from packager import __version__
from packager.cli import output
from packager.cli.command_model import FLAG, ROOT, Argument, Command, Option, Program
from packager.cli.converters import CONVERTERS, Malformed

if TYPE_CHECKING:
    from packager.cli.fast_parser import Invocation, Value

USAGE_ERROR = 64


def parse(program: Program, words: Sequence[str]) -> Invocation | int:
    """The command and values that `words` stand for, or the exit status when all is said.

    Help, the version and completions are written to standard output, errors in the command line to
    standard error; the status is then 0 or 64. Raises OutputFailed.
    """
    # click's own way with a broken or full standard output is not ours, so it writes to memory.
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogateescape")
    result: Invocation | int
    with redirect_stdout(said):
        try:
            result = group(program).main(
                list(words),
                prog_name=program.name,
                complete_var=program.completion_variable,
                standalone_mode=False,
            )
        except click.ClickException as error:
            error.show()
            result = USAGE_ERROR
        except SystemExit as done:  # how click leaves after completing a word
            result = done.code if isinstance(done.code, int) else 0
    said.flush()
    output.write(said.buffer.getvalue())
    return result


def group(program: Program) -> click.Group:
    """All commands as one click group, whose callbacks return the Invocation."""
    made = _Group(
        program.name,
        help=program.summary,
        epilog=f"Try '{program.name} COMMAND --help' for a command, with examples.",
        params=[_option(option) for option in program.options],
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    made.program = program
    click.version_option(__version__, prog_name=program.name, message="%(prog)s %(version)s")(made)
    for command in program.commands:
        made.add_command(_command(program, command))
    return made


def completion_script(program: Program, shell: str) -> str:
    """The completion script for bash, zsh or fish."""
    from packager.cli.bash_completion import ColonBashComplete

    made = ColonBashComplete if shell == "bash" else get_completion_class(shell)
    assert made is not None, shell
    return made(group(program), {}, program.name, program.completion_variable).source()


class _Group(click.Group):
    """A group that lists its commands in the order of their definition, not of the alphabet, and
    tells the program's story before."""

    program: Program

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        title, lines = self.program.story
        if lines:
            with formatter.section(title):
                formatter.write_dl(lines, col_max=40)
        super().format_commands(ctx, formatter)


class _Command(click.Command):
    """A command whose help ends in examples and exit codes."""

    definition: Command
    program: Program

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Examples"):
            for line, meaning in self.definition.examples:
                formatter.write(f"{'':{formatter.current_indent}}# {meaning}\n")
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
        with formatter.section("Exit codes"):
            codes = (0, USAGE_ERROR, *self.definition.exit_codes)
            formatter.write_dl([(str(code), self.program.exit_codes[code]) for code in codes])


class _Word(click.ParamType[Any]):
    """A converter of `converters` as a click type."""

    def __init__(self, kind: str) -> None:
        self.name = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return CONVERTERS[self.name](value)
        except Malformed as reason:
            self.fail(str(reason), param, ctx)


def _command(program: Program, definition: Command) -> click.Command:
    def callback(**values: Value) -> Invocation:
        context = click.get_current_context()
        assert context.parent is not None
        for option in program.options:  # what stands behind the command wins
            values[option.dest] = values[option.dest] or context.parent.params[option.dest]
        return definition, values

    made = _Command(
        definition.name,
        callback=callback,
        help=definition.description,
        short_help=definition.summary,
        params=[
            *(_argument(argument) for argument in definition.arguments),
            *(_option(option) for option in definition.options),
            *(_option(option, again=True) for option in program.options),
        ],
    )
    made.definition = definition
    made.program = program
    return made


def _option(option: Option, *, again: bool = False) -> click.Option:
    """`option` for click; `again`: its second place, which doesn't repeat default and help."""
    if option.kind == FLAG:
        return click.Option([option.name, option.dest], is_flag=True, help=option.help)
    return click.Option(
        [option.name, option.dest],
        type=_type(option),
        default=None if again else option.default,
        envvar=None if again else option.envvar,
        show_default=not again,
        show_envvar=not again,
        metavar=option.metavar,
        help=option.help,
        hidden=again,
    )


def _argument(argument: Argument) -> click.Argument:
    return click.Argument(
        [argument.dest],
        type=_type(argument),
        metavar=f"[{argument.name}]..." if argument.many else argument.name,
        nargs=-1 if argument.many else 1,
        required=not argument.many,
        shell_complete=_COMPLETERS.get(argument.complete),
    )


def _type(parameter: Option | Argument) -> click.ParamType[Any]:
    return click.Choice(parameter.choices) if parameter.choices else _Word(parameter.kind)


def _complete_ids(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from packager.base.errors import PackagerError
    from packager.store.installed import installed_ids

    assert ctx.parent is not None
    root = ctx.params.get(ROOT.dest) or ctx.parent.params[ROOT.dest]
    try:
        ids = installed_ids(root)
    except (PackagerError, OSError):
        return []  # a person in the middle of a line is told nothing rather than an error
    named = ctx.params.get(parameter.name or "") or ()
    return [CompletionItem(i) for i in ids if i.startswith(incomplete) and i not in named]


def _complete_available(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The ids of the signed repositories, as they were last seen: completing asks no server."""
    from packager.repositories.last_seen_packages import last_seen

    assert ctx.parent is not None
    root = ctx.params.get(ROOT.dest) or ctx.parent.params[ROOT.dest]
    named = ctx.params.get(parameter.name or "") or ()
    return [
        CompletionItem(i) for i in last_seen(root) if i.startswith(incomplete) and i not in named
    ]


_COMPLETERS = {
    "ids": _complete_ids,
    "available": _complete_available,
    "files": lambda *_: [CompletionItem("", type="file")],
    "directories": lambda *_: [CompletionItem("", type="dir")],
}
