"""`packager build`: a directory becomes an archive, which appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from packager.archive.build import Built, build
from packager.archive.compression import SUFFIXES
from packager.base.errors import NotFound, UsageError, from_os_error
from packager.base.stop_signals import stoppable
from packager.cli import output
from packager.cli.progress import listener
from packager.package.package_id import parse_id

STDOUT = "-"


def run(
    *,
    root: str,  # noqa: ARG001 - every command takes a root
    directory: str,
    output_path: str | None,
    compression: str,
    package_id: str | None,
    output_format: str,
) -> int:
    """Build one archive; raises PackagerError, OutputFailed, Stopped."""
    if output_path == STDOUT and (output_format != "table" or output.is_terminal(output.STDOUT)):
        raise UsageError("the archive goes to standard output, which can't be anything else then")
    package_id = str(parse_id(package_id or Path(directory).absolute().name))
    with stoppable(), listener("table") as emit:
        if output_path == STDOUT:
            build(
                directory,
                cast(BinaryIO, _StandardOutput()),
                package_id=package_id,
                compression=compression,
                emit=emit,
            )
            return 0
        path = Path(output_path or package_id + SUFFIXES[compression])
        _check_outside(path, Path(directory))
        with _replacing(path) as file:
            built = build(
                directory, file, package_id=package_id, compression=compression, emit=emit
            )
    _report(built, path, output_format)
    return 0


def _report(built: Built, path: Path, output_format: str) -> None:
    if output_format == "json":
        output.json_line(
            {
                "id": built.id,
                "path": str(path),
                "size": built.size,
                "files": built.files,
                "sha256": built.sha256,
                "tree": built.tree,
            }
        )
    else:
        output.fields(
            [
                ("built", str(path)),
                ("size", f"{output.amount(built.size)}, {output.plural(built.files, 'file')}"),
                ("sha256", built.sha256),
            ]
        )


class _StandardOutput:
    """Standard output as a file to write to."""

    def write(self, data: bytes) -> int:
        output.write(data)
        return len(data)


def _check_outside(path: Path, directory: Path) -> None:
    """An archive inside the directory that it is made of would become part of itself."""
    if path.absolute().parent.resolve().is_relative_to(directory.resolve()):
        raise UsageError(f"{path} would be inside {directory} itself; give another --output")


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that becomes `path` when the block ends well, and is gone when it doesn't."""
    umask = os.umask(0o022)
    os.umask(umask)
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.absolute().parent, prefix=".packager-", delete=False
        ) as file:
            try:
                yield cast(BinaryIO, file)
                file.flush()
                os.fchmod(file.fileno(), 0o666 & ~umask)
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except FileNotFoundError:
        raise NotFound(f"{path.parent}: there is no such directory") from None
    except OSError as error:
        raise from_os_error(error, str(path)) from error
