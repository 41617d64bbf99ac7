"""What a command line is made of: commands, options, arguments, as plain data.

(Dataclasses would triple the time Python needs to start.)
"""

from __future__ import annotations

FLAG = "flag"


class Option:
    """One `--name VALUE`, or (kind "flag") a bare `--name`.

    dest: the handler's parameter. kind: a key of `values.CONVERTERS`, or "choice" with `choices`,
    or "flag": the value is then True if it is given and False if not.
    default: written as a person would write it, converted like any other word; None: no value.
    envvar: an environment variable that stands in for the option; an empty one counts as unset.
    """

    __slots__ = ("choices", "default", "dest", "envvar", "help", "kind", "metavar", "name")

    def __init__(
        self,
        name: str,
        dest: str,
        *,
        help: str,  # noqa: A002
        kind: str = "choice",
        choices: tuple[str, ...] = (),
        default: str | None = None,
        metavar: str | None = None,
        envvar: str | None = None,
    ) -> None:
        self.name = name
        self.dest = dest
        self.help = help
        self.kind = kind
        self.choices = choices
        self.default = default
        self.metavar = metavar
        self.envvar = envvar


class Argument:
    """One word without a name, or (many) any number of them, always the last argument.

    complete: what a shell offers for it: "ids" of the store, "files", "directories", or one of
    `choices`, which also limits what is accepted.
    """

    __slots__ = ("choices", "complete", "dest", "kind", "many", "name")

    def __init__(
        self,
        name: str,
        dest: str,
        *,
        kind: str = "choice",
        choices: tuple[str, ...] = (),
        many: bool = False,
        complete: str = "",
    ) -> None:
        self.name = name
        self.dest = dest
        self.kind = kind
        self.choices = choices
        self.many = many
        self.complete = complete


class Command:
    """One command: its words, its help, and who carries it out.

    handler: "module:function"; the function takes every dest as a keyword and returns the exit
    status. examples: (command line, what it does). exit_codes: those to expect, beside 0 and 64.
    uses_store: whether it looks at the store at all, so that its format matters.
    """

    __slots__ = (
        "arguments",
        "description",
        "examples",
        "exit_codes",
        "handler",
        "name",
        "options",
        "summary",
        "uses_store",
    )

    def __init__(
        self,
        name: str,
        handler: str,
        *,
        summary: str,
        description: str,
        options: tuple[Option, ...] = (),
        arguments: tuple[Argument, ...] = (),
        examples: tuple[tuple[str, str], ...] = (),
        exit_codes: tuple[int, ...] = (),
        uses_store: bool = True,
    ) -> None:
        self.name = name
        self.handler = handler
        self.summary = summary
        self.description = description
        self.options = options
        self.arguments = arguments
        self.examples = examples
        self.exit_codes = exit_codes
        self.uses_store = uses_store


class LazyCommands:
    """Commands of these names, in this order, that are imported when one of them is asked for.

    place: "module:name" of a tuple of commands.
    """

    __slots__ = ("names", "place")

    def __init__(self, names: tuple[str, ...], place: str) -> None:
        self.names = names
        self.place = place

    def load(self) -> tuple[Command, ...]:
        """The commands."""
        from importlib import import_module

        module, _, name = self.place.partition(":")
        commands: tuple[Command, ...] = getattr(import_module(module), name)
        return commands


class Program:
    """A program of several commands, for both front ends.

    options: those of every command, which may stand before it too. exit_codes: what each of them
    means, for the commands' help. story: a title, and lines that tell somebody who has never seen
    the program what it is used for, each a command and what it does.
    """

    __slots__ = ("_commands", "exit_codes", "name", "options", "story", "summary")

    def __init__(
        self,
        name: str,
        *,
        summary: str,
        options: tuple[Option, ...],
        commands: tuple[Command | LazyCommands, ...],
        exit_codes: dict[int, str],
        story: tuple[str, tuple[tuple[str, str], ...]] = ("", ()),
    ) -> None:
        self.name = name
        self.summary = summary
        self.story = story
        self.options = options
        self._commands = commands
        self.exit_codes = exit_codes

    @property
    def commands(self) -> tuple[Command, ...]:
        """All commands, in the order in which help lists them."""
        found: list[Command] = []
        for each in self._commands:
            found.extend((each,) if isinstance(each, Command) else each.load())
        return tuple(found)

    def find(self, name: str) -> Command | None:
        """The command of this name; None: there is none."""
        for each in self._commands:
            if isinstance(each, Command):
                if each.name == name:
                    return each
            elif name in each.names:
                return next(command for command in each.load() if command.name == name)
        return None

    @property
    def completion_variable(self) -> str:
        """The environment variable by which a shell asks for completions."""
        return f"_{self.name.upper()}_COMPLETE"


ROOT = Option(
    "--root",
    "root",
    kind="path",
    default="/opt/packager",
    metavar="DIR",
    envvar="PACKAGER_ROOT",
    help="The directory of the store. It may stand before or after the command.",
)

# For who reads the report, and takes any other exit code for what it is: that there is none.
EXIT_ZERO = Option(
    "--exit-zero",
    "exit_zero",
    kind=FLAG,
    help="Exit with 0 although not all is well: the report says so.",
)


# For what has been put into trees of the store, or changed there: else it is moved to ROOT/kept.
DISCARD = Option(
    "--discard-changes",
    "discard",
    kind=FLAG,
    help="Delete files that somebody has put into the trees, or changed; do not keep them aside.",
)


def format_option(*choices: str) -> Option:
    return Option(
        "--format",
        "output_format",
        choices=choices,
        default="table",
        help="How the result is written: a table for people, or JSON for programs.",
    )
