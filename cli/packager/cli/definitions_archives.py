"""The commands that give packages their trees from archives (see `definitions`)."""

from __future__ import annotations

from packager.cli.command_model import DISCARD, Argument, Command, Option, format_option
from packager.cli.definitions_host import HOST_OPTIONS
from packager.cli.definitions_repositories import CONFIG, MAX_SIZE, PATIENCE

ADD: tuple[Command, ...] = (
    Command(
        "add",
        "packager.commands.add:run",
        summary="Add a package from a file, a directory, a URL or standard input.",
        description=(
            "Adds the package that SOURCE holds: the path of a tar archive, its http(s) or file "
            "URL, - for standard input, or a directory, of which 'packager build' would make an "
            "archive. The archive may be compressed with gzip, xz or zstd. The id is taken from "
            "the name (NAME--VERSION.tar.xz) unless --id gives it. Adding a package that is there "
            "already, with the same content, changes nothing and succeeds."
        ),
        options=(
            Option(
                "--id",
                "package_id",
                kind="id",
                metavar="ID",
                help="The package's id. Needed when the source's name doesn't tell it.",
            ),
            Option(
                "--sha256",
                "sha256",
                kind="sha256",
                metavar="HEX",
                help="Refuse an archive with another SHA-256.",
            ),
            Option(
                "--size",
                "size",
                kind="size",
                metavar="BYTES",
                help="Refuse an archive of another size.",
            ),
            MAX_SIZE,
            *PATIENCE,
            format_option("table", "json", "ndjson"),
        ),
        arguments=(Argument("SOURCE", "source", kind="path", complete="files"),),
        examples=(
            ("packager add hello--1.0.tar.xz", "from a file"),
            (
                "packager add --sha256=… https://repo.example/hello--1.0.tar.xz",
                "from a server, and only this very archive",
            ),
            ("packager add --id=hello--1.0 - < hello.tar", "from standard input"),
            ("packager add ./hello--1.0", "from a directory"),
        ),
        exit_codes=(65, 66, 69, 73, 74, 75, 76, 77, 78),
    ),
)

REPAIR: tuple[Command, ...] = (
    Command(
        "repair",
        "packager.commands.repair:run",
        summary="Put right what verify finds.",
        description=(
            "Gives packages that differ from what was added their trees again, each by one rename: "
            "from the configured repositories, or from --from. Without an ID all packages are "
            "looked at, and the links of the active set and the unit files on the host are put "
            "right, too. What is well is left alone. If something can't be repaired, the rest is, "
            "and the exit code is that of the first failure."
        ),
        options=(
            Option(
                "--from",
                "source",
                kind="path",
                metavar="SOURCE",
                help="The archive of the one package ID: as SOURCE of add.",
            ),
            Option(
                "--sha256",
                "sha256",
                kind="sha256",
                metavar="HEX",
                help="Of the archive --from. Needed only if the package's record is damaged too.",
            ),
            DISCARD,
            CONFIG,
            MAX_SIZE,
            *PATIENCE,
            *(option for option in HOST_OPTIONS if option.dest != "rollback_on_failure"),
            format_option("table", "json", "ndjson"),
        ),
        arguments=(Argument("ID", "package_ids", kind="id", many=True, complete="ids"),),
        examples=(
            ("packager repair", "all that verify finds, from the repositories"),
            ("packager repair --from=hello--1.0.tar.xz hello--1.0", "one package, from a file"),
        ),
        exit_codes=(65, 66, 69, 73, 74, 75, 76, 77, 78),
    ),
)
