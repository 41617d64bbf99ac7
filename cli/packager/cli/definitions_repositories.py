"""The commands about repositories, for hosts and for those who keep one (see `definitions`)."""

from __future__ import annotations

from packager.cli.command_model import FLAG, Argument, Command, Option, format_option

PARALLEL = Option(
    "--parallel",
    "at_once",
    kind="number",
    default="4",
    metavar="N",
    help="How many packages are fetched at once.",
)
CONFIG = Option(
    "--config",
    "config_path",
    kind="path",
    metavar="FILE",
    envvar="PACKAGER_CONFIG",
    help="Which repositories there are. Default: /etc/packager/config.toml, if it is there.",
)
MAX_SIZE = Option(
    "--max-size",
    "max_size",
    kind="size",
    default="16G",
    metavar="BYTES",
    help="Refuse a download that is larger; K, M, G and T are powers of 1024.",
)
PATIENCE = (
    Option(
        "--connect-timeout",
        "connect_timeout",
        kind="seconds",
        default="10",
        metavar="SECONDS",
        help="How long a remote server may take to accept a connection.",
    ),
    Option(
        "--read-timeout",
        "read_timeout",
        kind="seconds",
        default="30",
        metavar="SECONDS",
        help="How long a remote server may stay silent, or slower than 1 KiB/s.",
    ),
    Option(
        "--retries",
        "retries",
        kind="count",
        default="4",
        metavar="N",
        help="How often a failed download is tried again, each time from where it broke.",
    ),
)
_DIRECTORY = Argument("DIR", "directory", kind="path", complete="directories")
_SIGN_HELP = "The private keys to sign with, from files of 'packager key --new'."

REPOSITORY_COMMANDS: tuple[Command, ...] = (
    Command(
        "search",
        "packager.commands.search:run",
        summary="Search the repositories.",
        description=(
            "Lists the packages of the configured repositories whose id or description has all "
            "these words in it; all packages without a word. Repositories without an index can't "
            "be searched."
        ),
        options=(CONFIG, *PATIENCE, format_option("table", "json")),
        arguments=(Argument("WORD", "words", kind="path", many=True),),
        examples=(
            ("packager search", "everything there is"),
            ("packager search --format=json nginx", "what has nginx in its id or description"),
        ),
        exit_codes=(65, 66, 69, 74, 76, 77, 78),
    ),
    Command(
        "fetch",
        "packager.commands.fetch:run",
        summary="Fetch packages from the repositories.",
        description=(
            "Finds packages in the configured repositories, downloads them side by side, and adds "
            "them to the store. A package is named by its id (db--1.2), by its name (db: the "
            "highest version), or by its name and a range (db>=1,<2). Repositories are asked in "
            "order, and each one's mirrors. An interrupted download goes on where it broke, also "
            "in another run. One package's failure does not stop the others; the exit code is that "
            "of the first that failed."
        ),
        options=(
            Option(
                "--requires",
                "requires",
                kind=FLAG,
                help="Fetch all that the packages require, too.",
            ),
            CONFIG,
            PARALLEL,
            MAX_SIZE,
            *PATIENCE,
            format_option("table", "json", "ndjson"),
        ),
        arguments=(Argument("PACKAGE", "words", kind="path", many=True, complete="available"),),
        examples=(
            ("packager fetch hello--1.0 tools--2.3", "two packages, by their ids"),
            ("packager fetch 'db>=1,<2'", "the highest version below 2"),
            ("packager fetch --requires web", "web, and everything it requires"),
        ),
        exit_codes=(65, 66, 69, 73, 74, 75, 76, 77, 78),
    ),
    Command(
        "index",
        "packager.commands.repository:index",
        summary="Make a repository of a directory of packages.",
        description=(
            "Writes DIR/index.json, which makes a repository of the archives in DIR, for any "
            "server of files. Every archive is examined by the rules of 'packager add', those that "
            "have not changed only the first time; if one is refused, all of these are named and "
            "the index stays as it was. With --sign, the index is signed (DIR/metadata): sign "
            "again before that expires, whether there is something new or not."
        ),
        options=(
            Option(
                "--sign",
                "sign",
                kind="path",
                metavar="FILE,…",
                help=f"{_SIGN_HELP} The first time they become the root's keys, too.",
            ),
            Option(
                "--days",
                "days",
                kind="number",
                default="30",
                metavar="N",
                help="After how many days the signature expires.",
            ),
            Option(
                "--version",
                "version",
                kind="number",
                metavar="N",
                help="Sign as version N, after a backup was restored: higher than hosts have seen.",
            ),
            format_option("table", "json"),
        ),
        arguments=(_DIRECTORY,),
        examples=(
            ("packager index /srv/packages", "without a signature"),
            ("packager index --sign repo.key /srv/packages", "signed, for 30 days"),
            (
                "packager index --sign repo.key --version 120 /srv/packages",
                "a repository restored from a backup, of which hosts have seen version 119",
            ),
        ),
        exit_codes=(65, 66, 74, 75, 77, 78),
        uses_store=False,
    ),
    Command(
        "key",
        "packager.commands.repository:key",
        summary="Make a key, or show its public half.",
        description=(
            "Prints the public key of the private key in FILE: what the configuration of hosts "
            "names. With --new, the key is made first; a file that is there is never overwritten."
        ),
        options=(
            Option("--new", "new", kind=FLAG, help="Make the key; FILE must not be there yet."),
            format_option("table", "json"),
        ),
        arguments=(Argument("FILE", "path", kind="path", complete="files"),),
        examples=(
            ("packager key --new repo.key", "makes a key that only you can read"),
            ("packager key repo.key", "its public half"),
        ),
        exit_codes=(65, 66, 73, 74, 77, 78),
        uses_store=False,
    ),
    Command(
        "trust",
        "packager.commands.repository:trust",
        summary="Say which keys may sign a repository.",
        description=(
            "Writes the next root of the repository in DIR: which keys may sign the index from now "
            "on, and which the root itself. It has to be signed by the keys of the root before it "
            "and by its own; hosts follow from one to the next by themselves. Keys are public ones "
            "(ed25519:…) or files of private ones; what is not given stays as it is."
        ),
        options=(
            Option("--sign", "sign", kind="path", metavar="FILE,…", help=_SIGN_HELP),
            Option(
                "--root-keys",
                "root_keys",
                kind="path",
                metavar="KEY,…",
                help="The keys of the root. Default at first: those of --sign.",
            ),
            Option(
                "--signing-keys",
                "signing_keys",
                kind="path",
                metavar="KEY,…",
                help="The keys of the index. Default at first: those of the root.",
            ),
            Option(
                "--threshold",
                "threshold",
                kind="number",
                metavar="N",
                help="How many of the root's keys must sign a root.",
            ),
            Option(
                "--days",
                "days",
                kind="number",
                default="365",
                metavar="N",
                help="After how many days the root expires.",
            ),
            format_option("table", "json"),
        ),
        arguments=(_DIRECTORY,),
        examples=(
            (
                "packager trust --sign root.key --signing-keys ed25519:… /srv/packages",
                "another key for the index; the root's stays in its safe",
            ),
            (
                "packager trust --sign old.key,new.key --root-keys new.key /srv/packages",
                "another root key",
            ),
        ),
        exit_codes=(65, 66, 74, 75, 77, 78),
    ),
)
