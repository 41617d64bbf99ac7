"""The environment of the active packages, as files for shells and for systemd.

    environment           NAME="value" a line, for `EnvironmentFile=` of systemd, and for sh
    environment.export    the same to be sourced by a shell, with `export`

Values are quoted so that POSIX shells and systemd (systemd.exec(5), EnvironmentFile) read the very
characters, whatever they are: in double quotes, with a backslash before `"`, `\\`, `$` and
backquotes. A newline stands for itself in both. Pure.
"""

from __future__ import annotations

from packager.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from packager.hostplan import Facts

SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ESCAPED = str.maketrans({each: f"\\{each}" for each in '"\\$`'})


def environment_files(root: str, packages: Mapping[str, Facts]) -> dict[str, bytes]:
    """The files' names and contents, for the store at `root` and these ids with their facts.

    Raises DataError for a value that no file can hold.
    """
    lines = [f"LD_LIBRARY_PATH={quoted(f'{root}/active/lib')}"]
    own = [f"PATH={quoted(f'{root}/active/bin:{SEARCH}')}", *lines]
    exported = [f'export PATH={quoted(f"{root}/active/bin")}:"$PATH"', *map(_export, lines)]
    for package_id, facts in sorted(packages.items()):
        values = facts.get("environment")
        if isinstance(values, dict):
            found = [f"{key}={quoted(_text(value))}" for key, value in sorted(values.items())]
            own += found
            exported += map(_export, found)
            _check(package_id, found)
    return {
        "environment": _file(own),
        "environment.export": _file(exported),
    }


def quoted(value: str) -> str:
    """`value` in double quotes, as sh and systemd read it."""
    return f'"{value.translate(ESCAPED)}"'


def _text(value: object) -> str:
    """A value of pkginfo.json, which may be a number there, as text."""
    return value if isinstance(value, str) else repr(value)


def _export(line: str) -> str:
    return f"export {line}"


def _check(package_id: str, lines: list[str]) -> None:
    for line in lines:
        try:
            line.encode()
        except UnicodeEncodeError:
            name = line.partition("=")[0]
            raise DataError(f"{package_id}: the value of {name} is not valid Unicode") from None


def _file(lines: list[str]) -> bytes:
    head = "# Made by packager for the active set of packages; do not edit."
    return "\n".join([head, *lines, ""]).encode(errors="surrogateescape")
