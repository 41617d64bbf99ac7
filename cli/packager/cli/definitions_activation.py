"""The commands about what is active: their definitions (see `definitions`)."""

from __future__ import annotations

from packager.cli.command_model import DISCARD, FLAG, Argument, Command, Option, format_option
from packager.cli.definitions_host import HOST_OPTIONS

_DRY_RUN = Option(
    "--dry-run", "dry_run", kind=FLAG, help="Show what would be done, as plan does; change nothing."
)
_ROLES = Option(
    "--roles",
    "roles",
    kind="roles",
    metavar="ROLE,…",
    envvar="PACKAGER_ROLES",
    help="The roles of this host. Default: the names of the files in roles of --config-dir.",
)
_ADD = Option(
    "--add",
    "add",
    kind=FLAG,
    help="Keep what is active, but for other versions of these packages.",
)
_CHANGING = (_DRY_RUN, *HOST_OPTIONS, format_option("table", "json", "ndjson"))
_IDS = Argument("ID|NAME", "words", kind="package_or_range", many=True, complete="ids")
_CODES = (65, 66, 73, 74, 75, 77, 78)

ACTIVATION_COMMANDS: tuple[Command, ...] = (
    Command(
        "activate",
        "packager.commands.activate:activate",
        summary="Make these packages the active ones.",
        description=(
            "Makes the packages with these ids the active ones, and all others inactive (unless "
            "--add is given). What is in bin, lib, etc and include of the active packages is "
            "linked in ROOT/active. Every conflict is found before anything changes; the change "
            "itself is one rename, so that nobody ever sees a part of it. The same packages again "
            "change nothing. Instead of an id, a name stands for the highest version in the store "
            "(a range behind it restricts that), and brings with it what it requires."
        ),
        options=(_ADD, _ROLES, *_CHANGING),
        arguments=(_IDS,),
        examples=(
            ("packager activate hello--1.0 tools--2.3", "these two, and nothing else"),
            ("packager activate --add tools--2.3", "this one too"),
            ("packager activate 'tools>=2,<3'", "the highest such version, and what it requires"),
            ("packager activate --dry-run hello--1.0", "what that would do"),
        ),
        exit_codes=_CODES,
    ),
    Command(
        "swap",
        "packager.commands.activate:swap",
        summary="Activate another version of an active package.",
        description=(
            "Activates this package instead of the active one of the same name. All other packages "
            "stay as they are."
        ),
        options=(_ROLES, *_CHANGING),
        arguments=(Argument("ID|NAME", "package_id", kind="package_or_range", complete="ids"),),
        examples=(
            ("packager swap hello--1.1", "in place of hello--1.0, say"),
            ("packager swap hello", "the highest version that the store has"),
        ),
        exit_codes=_CODES,
    ),
    Command(
        "deactivate",
        "packager.commands.activate:deactivate",
        summary="Take packages out of the active ones.",
        description=(
            "Takes these packages out of the active ones. They stay in the store; 'packager "
            "remove' or 'packager gc' takes them out of it."
        ),
        options=(_ROLES, *_CHANGING),
        arguments=(Argument("ID|NAME", "words", kind="package", many=True, complete="ids"),),
        examples=(("packager deactivate hello", "whichever version of it is active"),),
        exit_codes=_CODES,
    ),
    Command(
        "rollback",
        "packager.commands.activate:rollback",
        summary="Go back to an earlier generation.",
        description=(
            "Makes generation N active again: the very same packages. Without N it is the one that "
            "was active before. 'packager history' lists them."
        ),
        options=_CHANGING,
        arguments=(Argument("N", "numbers", kind="number", many=True),),
        examples=(
            ("packager rollback", "as it was before the last change"),
            ("packager rollback 12", "as it was in generation 12"),
        ),
        exit_codes=_CODES,
    ),
    Command(
        "plan",
        "packager.commands.plan:run",
        summary="Show what an activation would do.",
        description=(
            "Shows exactly what would be done: packages, links, environment, units, users, "
            "settings; and refuses what would be refused. Nothing is changed. The first word may "
            "be activate (the default), swap, deactivate or rollback; ids follow, or what that "
            "command takes."
        ),
        options=(_ADD, _ROLES, *HOST_OPTIONS, format_option("table", "json")),
        arguments=(Argument("WORD", "words", kind="path", many=True, complete="ids"),),
        examples=(
            ("packager plan hello--1.0 tools--2.3", "of activate"),
            ("packager plan swap hello--1.1", "of swap"),
            ("packager plan --format=json rollback", "for a program"),
        ),
        exit_codes=_CODES,
    ),
    Command(
        "active",
        "packager.commands.active:run",
        summary="List the active packages.",
        description="Lists the packages that are active, sorted by id.",
        options=(format_option("table", "json", "ndjson"),),
        examples=(("packager active --format=json", "with generation, time and who made it"),),
        exit_codes=(65, 74, 77, 78),
    ),
    Command(
        "history",
        "packager.commands.history:run",
        summary="List the generations.",
        description=(
            "Lists the sets of packages that were active and can be again: their numbers, when and "
            "by whom they were made, and what is in them."
        ),
        options=(format_option("table", "json", "ndjson"),),
        examples=(("packager history", "newest last; * is the active one"),),
        exit_codes=(65, 74, 77, 78),
    ),
    Command(
        "gc",
        "packager.commands.gc:run",
        summary="Forget old generations, remove unneeded packages.",
        description=(
            "Keeps the active generation, the one that rollback goes back to, and the newest "
            "others, N in all, and forgets the rest; then removes the packages that no kept "
            "generation needs. Packages since whose adding nothing was activated stay: they wait "
            "for their own activation; so do those from which processes still execute."
        ),
        options=(
            Option(
                "--keep",
                "keep",
                kind="number",
                default="5",
                metavar="N",
                help="How many generations are kept, the active one included.",
            ),
            _DRY_RUN,
            DISCARD,
            format_option("table", "json", "ndjson"),
        ),
        examples=(
            ("packager gc --keep=3", "the active one and two to go back to"),
            ("packager gc --keep=1 --dry-run", "what would go if only the active one were kept"),
        ),
        exit_codes=(65, 66, 74, 75, 77, 78),
    ),
    Command(
        "recover",
        "packager.commands.recover:run",
        summary="Clear away what killed commands have left.",
        description=(
            "Clears away what commands have left that were killed, and finishes what they had "
            "decided. Every changing command does this first; this one does nothing else."
        ),
        options=(format_option("table", "json"),),
        examples=(("packager recover", "after a power loss, say; it is never needed"),),
        exit_codes=(65, 66, 74, 75, 77, 78),
    ),
)
