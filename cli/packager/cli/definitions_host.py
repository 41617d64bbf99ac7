"""The commands and options about the host that packages are active on (see `definitions`)."""

from __future__ import annotations

from packager.cli.command_model import EXIT_ZERO, FLAG, Argument, Command, Option, format_option

# Of every command that may touch the host; the values go to `hostapply.Context.options`.
HOST_OPTIONS: tuple[Option, ...] = (
    Option(
        "--no-systemd",
        "no_systemd",
        kind=FLAG,
        help="Put unit files in place, but start and stop nothing and set no kernel setting.",
    ),
    Option(
        "--no-block-systemd",
        "no_block_systemd",
        kind=FLAG,
        help="Do not wait until services are up; failures are then not seen.",
    ),
    Option(
        "--settle",
        "settle",
        kind="seconds",
        default="1",
        metavar="SECONDS",
        help="How long services may run before it is looked whether they are still there.",
    ),
    Option(
        "--rooted-systemd",
        "rooted_systemd",
        kind=FLAG,
        help="Put unit files into ROOT and ROOT/dcos.target.wants, not into --units-dir.",
    ),
    Option(
        "--rollback-on-failure",
        "rollback_on_failure",
        kind=FLAG,
        help="Go back to the generation that was active if a service does not start.",
    ),
    Option(
        "--no-users",
        "no_users",
        kind=FLAG,
        help="Make no users; a package whose user is missing is then refused.",
    ),
    Option(
        "--units-dir",
        "units_dir",
        kind="path",
        default="/etc/systemd/system",
        metavar="DIR",
        envvar="PACKAGER_UNITS_DIR",
        help="Where systemd reads unit files.",
    ),
    Option(
        "--state-dir",
        "state_dir",
        kind="path",
        default="/var/lib/dcos",
        metavar="DIR",
        envvar="PACKAGER_STATE_DIR",
        help="Where packages have their state directories.",
    ),
    Option(
        "--config-dir",
        "config_dir",
        kind="path",
        metavar="DIR",
        envvar="PACKAGER_CONFIG_DIR",
        help="What is set for this host: DIR/roles has a file for each of its roles, and "
        "DIR/manual_host_users means --no-users. Default: /etc/packager, or else pkgpanda's "
        "/etc/mesosphere.",
    ),
)

HOST_COMMANDS: tuple[Command, ...] = (
    Command(
        "check",
        "packager.commands.check:run",
        summary="Run the active packages' own checks.",
        description=(
            "Runs the programs in check/ of the active packages, side by side, and tells which of "
            "them failed: a check is well if it exits with 0. NAME is that of a package (or its "
            "id), or of a check; without one, all are run. If one fails the exit code is 65."
        ),
        options=(
            Option("--list", "only_list", kind=FLAG, help="List the checks; run none."),
            Option(
                "--timeout",
                "timeout",
                kind="seconds",
                default="60",
                metavar="SECONDS",
                help="How long each check may take.",
            ),
            Option(
                "--jobs",
                "jobs",
                kind="count",
                default="8",
                metavar="N",
                help="How many checks run at once.",
            ),
            EXIT_ZERO,
            format_option("table", "json", "ndjson"),
        ),
        arguments=(Argument("NAME", "names", kind="path", many=True, complete="ids"),),
        examples=(
            ("packager check", "all of them"),
            ("packager check --list", "which there are"),
            ("packager check --timeout=5 mesos", "those of one package"),
        ),
        exit_codes=(65, 66, 74, 77, 78),
    ),
    Command(
        "import-pkgpanda",
        "packager.commands.import_pkgpanda:run",
        summary="Take over a host that pkgpanda manages.",
        description=(
            "Copies the packages of the pkgpanda at SOURCE (such as /opt/mesosphere) into the "
            "store and makes its active set the first generation. The originals stay where they "
            "are, and what runs goes on running: later activations touch only the units that "
            "change. Nothing may be active in the store yet."
        ),
        options=(
            Option(
                "--repository",
                "repository",
                kind="path",
                metavar="DIR",
                help="Where pkgpanda has its packages. Default: SOURCE/packages.",
            ),
            Option(
                "--only-active",
                "only_active",
                kind=FLAG,
                help="Leave the packages that are not active where they are.",
            ),
            Option(
                "--dry-run",
                "dry_run",
                kind=FLAG,
                help="Show what would be taken over; change nothing.",
            ),
            Option(
                "--roles",
                "roles",
                kind="roles",
                metavar="ROLE,…",
                envvar="PACKAGER_ROLES",
                help="The roles of this host. Default: the files in roles of --config-dir.",
            ),
            *(
                option
                for option in HOST_OPTIONS
                if option.dest in ("no_users", "units_dir", "state_dir", "config_dir")
            ),
            format_option("table", "json", "ndjson"),
        ),
        arguments=(Argument("SOURCE", "source", kind="path", complete="directories"),),
        examples=(
            ("packager import-pkgpanda --dry-run /opt/mesosphere", "what there is"),
            ("packager import-pkgpanda /opt/mesosphere", "takes it over"),
        ),
        exit_codes=(65, 66, 73, 74, 75, 77, 78),
    ),
)
