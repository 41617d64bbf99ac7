"""The environment of the active packages, as files for shells and for systemd.

    environment           NAME="value" a line, for `EnvironmentFile=` of systemd, and for sh
    environment.export    the same to be sourced by a shell, with `export`

Values are quoted so that POSIX shells and systemd (systemd.exec(5), EnvironmentFile) read the very
characters, whatever they are: in double quotes where needed, with a backslash before `"`, `\\`, `$`
and backquotes. A newline stands for itself in both. Pure.
"""

from __future__ import annotations

from packager.base.errors import ConfigError
from packager.package.package_id import LETTERS_AND_DIGITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from packager.package.declarations import Declarations

PLAIN = LETTERS_AND_DIGITS + "_-./:@%+,="  # means itself everywhere, to simple readers too
SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SEPARATOR = ":"  # in PATH and LD_LIBRARY_PATH; nothing escapes it
ESCAPED = str.maketrans({each: f"\\{each}" for each in '"\\$`'})


def variables(root: str, packages: Mapping[str, Declarations]) -> dict[str, str]:
    """The environment of these ids with what they declare, active in the store at `root`."""
    found = {
        "PATH": f"{root}/active/bin:{SEARCH}",
        "LD_LIBRARY_PATH": f"{root}/active/lib",
    }
    for _, declared in sorted(packages.items()):
        found.update(
            (name, _text(value)) for name, value in declared.get("environment", {}).items()
        )
    return found


def refuse_separator(root: str) -> None:
    """Raise ConfigError if PATH can't hold the directories of the store at `root`."""
    if SEPARATOR in root:
        raise ConfigError(
            f"{root}: a colon separates the directories in PATH, so no program of this store would "
            "be found; give a --root without one"
        )


def environment_files(root: str, packages: Mapping[str, Declarations]) -> dict[str, bytes]:
    """The files' names and contents, for the store at `root` and these ids with what they declare.

    What no file can hold was refused when the package was added (see `pkginfo`).
    """
    found = variables(root, packages)
    own = [f"{name}={quoted(value)}" for name, value in found.items()]
    # A shell has a PATH already; the packages' programs come first in it.
    found["PATH"] = f"{root}/active/bin"
    exported = [f"export {name}={quoted(value)}" for name, value in found.items()]
    exported[0] += ':"$PATH"'
    return {"environment": _file(own), "environment.export": _file(exported)}


def quoted(value: str) -> str:
    """`value` as sh and systemd read it: in double quotes, unless there is no need."""
    if value and not value.strip(PLAIN):
        return value
    return f'"{value.translate(ESCAPED)}"'


def _text(value: object) -> str:
    """A value of pkginfo.json, which may be a number there, as text."""
    return value if isinstance(value, str) else repr(value)


def _file(lines: list[str]) -> bytes:
    head = "# Made by packager for the active set of packages; do not edit."
    return "\n".join([head, *lines, ""]).encode(errors="surrogateescape")
