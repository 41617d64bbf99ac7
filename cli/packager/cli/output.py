"""Words on their way out: standard output for data, standard error for people.

Everything is written straight to the descriptor, in UTF-8, at once: no buffer that could fail at
exit, and no line that a reader sees later than it was said. Text that came from elsewhere (a file
name, a server's answer) is made printable before a person's terminal sees it.
"""

from __future__ import annotations

import os

from packager.base import byte_output
from packager.base.byte_output import encode, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

STDOUT = 1
STDERR = 2
printable = byte_output.printable
speaker = "packager"  # the program at work: begins what is said to people


class OutputFailed(Exception):
    """Standard output can't take what was to be written; `error` is the reason.

    A BrokenPipeError as the reason means that the reader has left.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def write(data: bytes) -> None:
    """Write all of `data` to standard output; raises OutputFailed."""
    try:
        write_all(STDOUT, data)
    except OSError as error:
        raise OutputFailed(error) from error


def line(text: str) -> None:
    """Write one line to standard output; raises OutputFailed."""
    write(encode(text) + b"\n")


def complain(text: str) -> None:
    """Say something to the person, on standard error; a failure to do so is ignored."""
    try:
        write_all(STDERR, encode(f"{speaker}: {printable(text)}\n"))
    except OSError:
        return


def json_line(document: Mapping[str, object]) -> None:
    """Write one JSON object as one line; raises OutputFailed."""
    import json

    line(json.dumps(document, ensure_ascii=False, separators=(",", ":")))


def is_terminal(descriptor: int) -> bool:
    """Whether a person reads this descriptor."""
    return os.isatty(descriptor)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows in aligned columns to standard output; raises OutputFailed.

    In a terminal that is too narrow, columns are left out from the right; the first one never is,
    and no cell is ever cut: an id that can't be copied is of no use.
    """
    lines = [[printable(cell).replace("\n", "\\n") for cell in row] for row in rows]
    terminal = is_terminal(STDOUT)
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
    if terminal:
        room = _terminal_width()
        while len(widths) > 1 and sum(widths) + 2 * (len(widths) - 1) > room:
            widths.pop()
    last = len(widths) - 1

    def row(cells: Sequence[str]) -> str:
        shown = cells[: len(widths)]
        return "  ".join(
            cell if at == last else cell.ljust(widths[at]) for at, cell in enumerate(shown)
        )

    head = row([name.upper() for name in header])
    if terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb":
        head = f"\x1b[1m{head}\x1b[0m"
    write(encode("\n".join([head, *map(row, lines)]) + "\n"))


def fields(pairs: Iterable[tuple[str, str]]) -> None:
    """Write one `name: value` a line, the values aligned; raises OutputFailed."""
    shown = [(name, printable(value)) for name, value in pairs]
    width = max(len(name) for name, _ in shown) + 1
    indent = "\n" + " " * (width + 1)
    write(
        encode("".join(f"{name + ':':{width}} {v.replace(chr(10), indent)}\n" for name, v in shown))
    )


def amount(size: int) -> str:
    """A number of bytes for people: "17 bytes", "3.4 MB" (powers of 1000, as disks are sold)."""
    if size < 1000:
        return f"{size} byte{'' if size == 1 else 's'}"
    value = float(size)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} TB"


def plural(number: int, noun: str) -> str:
    """ "1 file", "2 files"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _terminal_width() -> int:
    try:
        return os.get_terminal_size(STDOUT).columns or 80
    except OSError:
        return 80
