"""The program `install` of an unpacked bundle: into the store, and active, by one command.

    install [--root DIR] [OPTIONS OF packager activate]

What was unpacked is compared with the archive's own manifest before anything else, and gets the
modes that it has there, since tar gives others under another umask. The two steps are those of
`packager add` and `packager activate --add`, each of them whole or not at all: killed in between,
`install` is run again.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from packager.archive.build import survey
from packager.archive.limits import Limits
from packager.base.errors import ConfigError, DataError, PackagerError, from_os_error
from packager.bundle.trial import PYTHON, find_flaws
from packager.cli import output
from packager.package.entry_kinds import LINK
from packager.package.manifest import EMBEDDED, check_embedded, decode_embedded

if TYPE_CHECKING:
    from typing import NoReturn

HELP = """\
Usage: install [--root DIR] [OPTIONS OF 'packager activate']

  Puts this unpacked bundle into the store and makes it active; what else is
  active stays so. It may be run again at any time, and as often as you like.

Examples:
  ./install                      into /opt/packager; needs root, for its units
  ./install --no-systemd         places the units, and asks systemd for nothing
  ./install --root=/tmp/store --units-dir=/tmp/units --no-systemd
                                 to try it, without root
"""


def main() -> NoReturn:
    """Run the command line of this process and end the process."""
    words = sys.argv[1:]
    if words in (["--help"], ["-h"]):
        output.write(HELP.encode())
        sys.exit(0)
    output.speaker = "install"
    try:
        package_id = restored_id(PYTHON.parent)
        flaws = find_flaws(PYTHON.parent)
        if flaws:
            raise ConfigError("this bundle does not work on this host:\n" + "\n".join(flaws))
    except PackagerError as error:
        output.complain(str(error))
        sys.exit(error.exit_code)
    sys.exit(install(PYTHON.parent, package_id, words))


def install(package: Path, package_id: str, words: list[str]) -> int:
    """Add the package's tree and make it active; the exit status. words: options of `activate`."""
    from packager.cli import click_parser  # the libraries have been compared only now
    from packager.cli.definitions import PACKAGER
    from packager.main import run

    activation = ["activate", "--add", *words, package_id]
    parsed = click_parser.parse(PACKAGER, activation)  # a wrong option is refused before all else
    if isinstance(parsed, int):
        return parsed
    root = f"--root={parsed[1]['root']}"
    return run(["add", root, f"--id={package_id}", os.fspath(package)]) or run(activation)


def restored_id(package: Path) -> str:
    """The id of what was unpacked to the directory `package`, which gets the modes of the archive.

    Raises DataError if it is not what the archive had, PackagerError for errno.
    """
    try:
        content = (package / EMBEDDED).read_bytes()
        for entry in decode_embedded(content)[1]:
            path = package / entry.path
            status = path.lstat()
            if entry.kind != LINK and stat.S_IMODE(status.st_mode) != entry.mode:
                path.chmod(entry.mode)
        top = os.open(package, os.O_RDONLY | os.O_DIRECTORY)
        try:
            entries = survey(top, str(package), Limits()).entries
        finally:
            os.close(top)
        return check_embedded(content, entries)
    except FileNotFoundError as error:
        raise DataError(f"{error.filename} is missing: unpack the archive again") from None
    except OSError as error:
        raise from_os_error(error, str(package)) from error
    except DataError as error:
        raise DataError(f"{error}: unpack the archive again") from None
