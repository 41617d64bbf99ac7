"""The front end that only says yes: a strict parser for well-formed command lines.

A machine that runs `packager list --format=json` once per request should not pay for an argument
parser that can also explain, suggest and complete. So this one takes complete, exactly spelled,
well-formed command lines, and says nothing at all about the others: those go to `click_parser`,
which parses them again from the start. The rule that makes this safe: whatever is accepted here,
click parses to the same command and the same values; in doubt, the answer is None.
"""

from __future__ import annotations

from packager.cli.command_model import FLAG, Argument, Command, Option, Program
from packager.cli.converters import CONVERTERS, Malformed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Value = str | int | float | bool | None | tuple[str | int | float, ...]
    Invocation = tuple[Command, dict[str, Value]]


def parse(
    program: Program, words: Sequence[str], environment: Mapping[str, str]
) -> Invocation | None:
    """The command and the values that `words` (without the program's name) stand for.

    None: not for this parser. That is no judgement; the line may be right, wrong, or a question.
    """
    if environment.get(program.completion_variable):
        return None
    try:
        return _parse(program, words, environment)
    except Malformed:
        return None


def _parse(
    program: Program, words: Sequence[str], environment: Mapping[str, str]
) -> Invocation | None:
    option_words: dict[str, str] = {}
    first = _take_options(words, 0, program.options, option_words)
    command = None
    if first is not None and first < len(words):
        command = program.find(words[first])
    if first is None or command is None:
        return None

    options = (*program.options, *command.options)
    positional: list[str] = []
    at = first + 1
    while at < len(words):
        after = _take_options(words, at, options, option_words)
        if after is None:
            return None
        at = after
        if at < len(words):
            if words[at] == "--":
                positional.extend(words[at + 1 :])
                break
            positional.append(words[at])
            at += 1

    values: dict[str, Value] = {}
    for option in options:
        word = option_words.get(option.name)
        if option.kind == FLAG:
            values[option.dest] = word is not None
            continue
        if word is None and option.envvar:
            word = environment.get(option.envvar) or None
        if word is None:
            word = option.default
        values[option.dest] = None if word is None else _convert(option, word)
    for argument in command.arguments:
        if argument.many:
            values[argument.dest] = tuple(_convert(argument, word) for word in positional)
            positional = []
        elif positional:
            values[argument.dest] = _convert(argument, positional.pop(0))
        else:
            return None
    return None if positional else (command, values)


def _take_options(
    words: Sequence[str], at: int, options: tuple[Option, ...], option_words: dict[str, str]
) -> int | None:
    """Read the options from place `at` on into `option_words`; the place after them, or None."""
    while at < len(words) and words[at].startswith("-") and words[at] not in ("-", "--"):
        name, equals, value = words[at].partition("=")
        at += 1
        option = next((each for each in options if each.name == name), None)
        if option is None or name in option_words:
            return None
        if option.kind == FLAG:
            if equals:
                return None
        elif not equals:
            if at == len(words) or words[at].startswith("-"):
                return None
            value = words[at]
            at += 1
        option_words[name] = value
    return at


def _convert(parameter: Option | Argument, word: str) -> str | int | float:
    if parameter.choices:
        if word not in parameter.choices:
            raise Malformed(word)
        return word
    return CONVERTERS[parameter.kind](word)
