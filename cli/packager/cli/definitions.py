"""The command line of `packager`, once: plain data that both front ends are made from.

`fast_parser` parses well-formed command lines with it at next to no cost, `click_parser` makes a
click group of it for everything else. Nothing here is computed and nothing but the data's own
classes is imported, since every start reads this file; the commands that a start is not about stay
in their modules (`LazyCommands`).
"""

from __future__ import annotations

from packager.cli.command_model import (
    DISCARD,
    EXIT_ZERO,
    ROOT,
    Argument,
    Command,
    LazyCommands,
    Option,
    Program,
    format_option,
)

EXIT_CODES: dict[int, str] = {
    0: "done",
    64: "the command line is wrong: an unknown option, a malformed id",
    65: "the data is wrong: a hostile or broken archive, a wrong hash or size, a difference found",
    66: "no such package, file or URL",
    69: "the remote server can't be reached, or failed at every try",
    70: "an internal error",
    73: "a conflict: an id with other content, packages that can't be active together, one in use",
    74: "reading or writing failed: disk full, read-only, standard output closed",
    75: "try again: another packager is changing the store, or memory or descriptors run out",
    76: "the remote server's answer breaks HTTP",
    77: "permission denied, here or by the remote server",
    78: "the configuration is wrong: a root that is no store, a mount in it, a repository, a proxy",
}

COMMANDS: tuple[Command | LazyCommands, ...] = (
    Command(
        "list",
        "packager.commands.list_packages:run",
        summary="List the packages of the store.",
        description="Lists the packages of the store, sorted by id.",
        options=(format_option("table", "json", "ndjson"),),
        examples=(
            ("packager list", "as a table"),
            ("packager list --format=json", "as one JSON document"),
            ("packager list --root /srv/store", "of another store"),
        ),
        exit_codes=(74, 77, 78),
    ),
    Command(
        "show",
        "packager.commands.show:run",
        summary="Show what is known of one package.",
        description=(
            "Shows what is known of one package: its size, the number of its files, the hashes of "
            "the archive it came from and of its tree, and its own pkginfo.json."
        ),
        options=(format_option("table", "json"),),
        arguments=(Argument("ID", "package_id", kind="id", complete="ids"),),
        examples=(
            ("packager show hello--1.0", "for reading"),
            ("packager show --format=json hello--1.0", "for a program"),
        ),
        exit_codes=(65, 66, 74, 77, 78),
    ),
    LazyCommands(("add",), "packager.cli.definitions_archives:ADD"),
    Command(
        "remove",
        "packager.commands.remove:run",
        summary="Remove a package.",
        description=(
            "Removes one package from the store. An id that is not there is an error; so is a "
            "package that is active, or that a generation needs which rollback can go back to."
        ),
        options=(DISCARD, format_option("table", "json")),
        arguments=(Argument("ID", "package_id", kind="id", complete="ids"),),
        examples=(("packager remove hello--1.0", "removes it"),),
        exit_codes=(66, 73, 74, 75, 77, 78),
    ),
    Command(
        "verify",
        "packager.commands.verify:run",
        summary="Compare packages and the active set with what was added.",
        description=(
            "Reads every file of the packages with these ids and compares it with what was added. "
            "Without an id, all packages are read, and the links and files of the active "
            "generation and the unit files on the host are compared too. Every difference is "
            "listed; if there is one, the exit code is 65."
        ),
        options=(EXIT_ZERO, format_option("table", "json", "ndjson")),
        arguments=(Argument("ID", "package_ids", kind="id", many=True, complete="ids"),),
        examples=(
            ("packager verify", "the whole store and the active set"),
            ("packager verify hello--1.0 tools--2.3", "two packages"),
        ),
        exit_codes=(65, 66, 74, 77, 78),
    ),
    LazyCommands(("repair",), "packager.cli.definitions_archives:REPAIR"),
    Command(
        "build",
        "packager.commands.build:run",
        summary="Make a package of a directory.",
        description=(
            "Makes a reproducible archive of DIR, with a manifest of every file's hash: the same "
            "tree gives the same bytes, whenever and by whomever it is built. DIR's name is the "
            "package's id unless --id gives it."
        ),
        options=(
            Option(
                "--output",
                "output_path",
                kind="path",
                metavar="FILE",
                help="Where the archive goes; - is standard output. Default: ID.tar.xz, here.",
            ),
            Option(
                "--compression",
                "compression",
                choices=("none", "gzip", "xz", "zstd"),
                default="xz",
                help="How the archive is compressed.",
            ),
            Option(
                "--id",
                "package_id",
                kind="id",
                metavar="ID",
                help="The package's id, if it is not the directory's name.",
            ),
            format_option("table", "json"),
        ),
        arguments=(Argument("DIR", "directory", kind="path", complete="directories"),),
        examples=(
            ("packager build hello--1.0", "makes hello--1.0.tar.xz"),
            ("packager build --id=hello--1.0 --compression=zstd ./tree", "another name, zstd"),
        ),
        exit_codes=(65, 66, 73, 74, 77),
        uses_store=False,
    ),
    LazyCommands(
        (
            *("activate", "swap", "deactivate", "rollback", "plan"),
            *("active", "history", "gc", "recover"),
        ),
        "packager.cli.definitions_activation:ACTIVATION_COMMANDS",
    ),
    LazyCommands(
        ("search", "fetch", "index", "key", "trust"),
        "packager.cli.definitions_repositories:REPOSITORY_COMMANDS",
    ),
    LazyCommands(("check", "import-pkgpanda"), "packager.cli.definitions_host:HOST_COMMANDS"),
    Command(
        "completion",
        "packager.commands.completion:run",
        summary="Print the completion script for a shell.",
        description=(
            "Prints a script that teaches a shell to complete packager's commands, options and the "
            "ids of the store."
        ),
        arguments=(Argument("SHELL", "shell", choices=("bash", "zsh", "fish")),),
        examples=(
            ('eval "$(packager completion bash)"', "for this shell; put it in ~/.bashrc to stay"),
            ("packager completion fish > ~/.config/fish/completions/packager.fish", "for fish"),
        ),
        uses_store=False,
    ),
)

PACKAGER = Program(
    "packager",
    summary=(
        "A package manager for one host. Every change is crash-safe: a kill or a power loss leaves "
        "the old state or the new one.\n\n"
        "A package is a directory (bin, lib, etc, include, units, …) in an archive, with a name "
        "and a version: its id is NAME--VERSION. The store keeps any number of them. Some are "
        "active: their files are found in ROOT/active, and their services run. Each change of what "
        "is active makes a generation, which can be gone back to."
    ),
    options=(ROOT,),
    commands=COMMANDS,
    exit_codes=EXIT_CODES,
    story=(
        "The life of a package",
        (
            ("packager build hello--1.0", "a directory becomes an archive"),
            ("packager add hello--1.0.tar.xz", "it is in the store; nobody uses it yet"),
            ("packager activate --add hello--1.0", "ROOT/active/bin has its programs"),
            ("packager check", "is it well? its own checks say"),
            ("packager add hello--1.1.tar.xz", "the next version, beside the first"),
            ("packager plan swap hello--1.1", "what would change?"),
            ("packager swap hello--1.1", "it takes the place of 1.0"),
            ("packager rollback", "1.0 again, as before the swap"),
            ("packager verify", "is all as it was added? (repair)"),
            ("packager deactivate hello", "nobody uses it any more"),
            ("packager gc --keep=1", "what nobody needs is gone (or remove)"),
        ),
    ),
)
