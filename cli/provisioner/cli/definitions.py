"""The command line of `provisioner`: plain data, as packager's is (see
`packager.cli.definitions`)."""

from __future__ import annotations

from packager.cli.command_model import (
    DISCARD,
    EXIT_ZERO,
    FLAG,
    ROOT,
    Argument,
    Command,
    Option,
    Program,
    format_option,
)
from packager.cli.definitions_host import HOST_OPTIONS
from packager.cli.definitions_repositories import CONFIG, PARALLEL, PATIENCE

EXIT_CODES: dict[int, str] = {
    0: "done; the host is as the profile says",
    2: "plan --exit-code: something would be changed",
    64: "the command line is wrong: an unknown option, no profile",
    65: "the profile or a template is wrong, the health check failed, or the host differs",
    66: "no such profile, package, file or run",
    69: "the remote server can't be reached, or failed at every try",
    70: "an internal error",
    73: "a conflict: packages that can't be active together, a path that two of them have",
    74: "reading or writing failed, or a service did not start",
    75: "busy, try again: another apply is under way",
    76: "the remote server's answer breaks HTTP",
    77: "permission denied, here or by the remote server",
    78: "the configuration is wrong: a root that is not a store, a repository, a library missing",
}
_CHANGE_CODES = tuple(code for code in EXIT_CODES if code not in (0, 2, 64, 70))
_READ_CODES = (65, 66, 74, 77, 78)

QUICK = Option(
    "--quick",
    "quick",
    kind=FLAG,
    help="Believe sizes, modes and times of the packages' files; do not read them.",
)
# Whether a failed apply is rolled back is in the profile.
HOST = tuple(option for option in HOST_OPTIONS if option.dest != "rollback_on_failure")
_HOST_DIRECTORIES = tuple(
    option for option in HOST if option.dest in ("units_dir", "state_dir", "config_dir")
)
_SHA256 = Option(
    "--sha256",
    "sha256",
    kind="sha256",
    metavar="HEX",
    help="Refuse a profile with another SHA-256. Required for one from a URL.",
)
_UPGRADE = Option(
    "--upgrade",
    "upgrade",
    kind=FLAG,
    help="Take the highest versions that the repositories have, also of what is active.",
)
_EXIT_CODE = Option(
    "--exit-code",
    "exit_code",
    kind=FLAG,
    help="End with 2 if something would be changed, with 0 if nothing would.",
)
_FENCE = (
    Option(
        "--fence",
        "fence",
        kind="number",
        metavar="N",
        help="The number of the controller that asks; refused below one that was seen.",
    ),
    Option(
        "--holder",
        "holder",
        kind="identifier",
        metavar="ID",
        help="The controller that asks, with --fence.",
    ),
)
_ROLLOUT = Option(
    "--rollout",
    "rollout",
    kind="identifier",
    metavar="ID",
    help="The rollout that asks; what it asked for, and what came of that, is kept.",
)
_REVISION = Option(
    "--revision",
    "revision",
    kind="identifier",
    metavar="ID",
    help="What the rollout brings: this profile, and no other one.",
)
_ATTEMPT = Option(
    "--attempt",
    "attempt",
    kind="number",
    metavar="N",
    help="The attempt of the rollout; refused if it is not above those before.",
)
_PROFILE = Argument("PROFILE", "sources", kind="path", many=True, complete="files")
_SOURCE = (_SHA256, _UPGRADE, QUICK, CONFIG, *PATIENCE)

COMMANDS: tuple[Command, ...] = (
    Command(
        "plan",
        "provisioner.commands.plan:run",
        summary="Show what an apply would do, and why.",
        description=(
            "Shows what would be fetched, activated, configured and restarted so that the host is "
            "as PROFILE says: a path, an http(s) URL, or - for standard input. Without one it is "
            "the applied profile. Nothing is changed. Fails where apply would refuse the profile."
        ),
        options=(*_SOURCE, *HOST, _EXIT_CODE, format_option("table", "json")),
        arguments=(_PROFILE,),
        examples=(
            ("provisioner plan web.yaml", "a table, and the configuration as a diff"),
            ("provisioner plan --format=json - < web.json", "for a program"),
            ("provisioner plan --exit-code web.yaml", "for a script: 2 if something would change"),
        ),
        exit_codes=(2, *_CHANGE_CODES),
    ),
    Command(
        "apply",
        "provisioner.commands.apply:run",
        summary="Bring the host to the state that a profile describes.",
        description=(
            "Fetches the packages of PROFILE (a path, an http(s) URL, or - for standard input; "
            "without one the applied profile), renders its configuration into a package of its "
            "own, activates all in one step, and checks the health conditions; if they are not "
            "met, the host is rolled back (unless the profile says otherwise). The same profile "
            "again repairs what has changed on the host; if nothing has, nothing is done."
        ),
        options=(
            *_SOURCE,
            PARALLEL,
            DISCARD,
            *HOST,
            _REVISION,
            _ROLLOUT,
            _ATTEMPT,
            *_FENCE,
            format_option("table", "json", "ndjson"),
        ),
        arguments=(_PROFILE,),
        examples=(
            ("provisioner apply web.yaml", "with progress on a terminal"),
            ("provisioner apply", "repairs what differs from the applied profile"),
            (
                "provisioner apply --sha256=… https://repo.example/web.json",
                "from a server, and only the profile with this hash",
            ),
        ),
        exit_codes=_CHANGE_CODES,
    ),
    Command(
        "stage",
        "provisioner.commands.stage:run",
        summary="Have all that a profile needs in the store; change nothing.",
        description=(
            "Does of an apply of PROFILE what can be done beforehand: judges it, fetches and "
            "verifies its packages, renders its configuration, plans. The apply is quick then, and "
            "needs no network. Nothing that is active is touched."
        ),
        options=(
            *_SOURCE,
            PARALLEL,
            *HOST,
            _REVISION,
            _ROLLOUT,
            *_FENCE,
            format_option("table", "json", "ndjson"),
        ),
        arguments=(_PROFILE,),
        examples=(("provisioner stage web.yaml", "hours before the apply"),),
        exit_codes=_CHANGE_CODES,
    ),
    Command(
        "fence",
        "provisioner.commands.fence:run",
        summary="Refuse controllers of rollouts that another one has followed.",
        description=(
            "Makes N the lowest number by which controllers of rollouts are obeyed, and tells what "
            "the host knows of rollouts. An apply that runs comes to its end. 73 if the number is "
            "lower than one that was seen, or is another holder's. A person's commands are never "
            "refused."
        ),
        options=(
            Option(
                "--holder",
                "holder",
                kind="identifier",
                metavar="ID",
                help="The controller whose number it is.",
            ),
            format_option("table", "json"),
        ),
        arguments=(Argument("N", "number", kind="number"),),
        examples=(("provisioner fence --holder=ops1 3", "as a controller does it"),),
        exit_codes=(65, 73, 74, 75, 77, 78),
    ),
    Command(
        "status",
        "provisioner.commands.status:run",
        summary="Report whether the host is as the applied profile says.",
        description=(
            "Compares the host with the applied profile and lists every difference: changed, "
            "missing or foreign files, another set of packages, configuration edited by hand, "
            "units that are stopped or have failed, roles. The exit code is 65 if there is one."
        ),
        options=(QUICK, *HOST, EXIT_ZERO, format_option("table", "json", "ndjson", "prometheus")),
        examples=(
            ("provisioner status --format=json", "for a program"),
            (
                "provisioner status --quick --exit-zero --format=prometheus",
                "for node_exporter's textfile collector",
            ),
        ),
        exit_codes=_READ_CODES,
    ),
    Command(
        "facts",
        "provisioner.commands.facts:run",
        summary="Describe this host: an inventory as JSON.",
        description=(
            "Lists system, kernel, memory, disks, addresses, roles and the active set. No "
            "privileges are needed."
        ),
        options=(*_HOST_DIRECTORIES, format_option("table", "json")),
        examples=(("provisioner facts --format=json", "one JSON document"),),
        exit_codes=(74, 77, 78),
    ),
    Command(
        "history",
        "provisioner.commands.history:run",
        summary="List the runs of apply: when, by whom, with which outcome.",
        description=(
            "Lists the runs that have changed the host, oldest first, with profile, generation "
            "and outcome."
        ),
        options=(format_option("table", "json", "ndjson"),),
        examples=(("provisioner history", "* marks the run whose profile is applied"),),
        exit_codes=_READ_CODES,
    ),
    Command(
        "rollback",
        "provisioner.commands.rollback:run",
        summary="Go back to the profile of an earlier run.",
        description=(
            "Applies the profile of run RUN again: its packages and its configuration as they were "
            "then. Without RUN, the last other profile before the applied one."
        ),
        options=(
            QUICK,
            CONFIG,
            *PATIENCE,
            PARALLEL,
            *HOST,
            _ROLLOUT,
            _ATTEMPT,
            *_FENCE,
            format_option("table", "json", "ndjson"),
        ),
        arguments=(Argument("RUN", "numbers", kind="number", many=True),),
        examples=(
            ("provisioner rollback", "as it was before the last change"),
            ("provisioner rollback 3", "as run 3 had it"),
        ),
        exit_codes=_CHANGE_CODES,
    ),
    Command(
        "import-pkgpanda",
        "provisioner.commands.import_pkgpanda:run",
        summary="Write the profile that describes a host of pkgpanda.",
        description=(
            "Reads roles, setup flags, package lists and late-bound configuration of the pkgpanda "
            "at SOURCE (such as /opt/mesosphere), and writes the profile that describes the host "
            "as it is. Nothing is changed."
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
                "--name",
                "name",
                kind="path",
                metavar="NAME",
                help="The name of the profile. Default: that of this host.",
            ),
            Option(
                "--secrets",
                "secrets",
                kind="path",
                metavar="NAME,…",
                help="Which of the late-bound values are secrets.",
            ),
            Option(
                "--late-package",
                "late_package",
                kind="path",
                metavar="FILE",
                help="The template of the late-bound package (ID.dcos_config of the repository): "
                "its files are then rendered by the profile, in place of that package.",
            ),
            Option(
                "--output",
                "output_path",
                kind="path",
                metavar="FILE",
                help="Write the profile to FILE, which only its owner can read, in place of "
                "standard output.",
            ),
            *_HOST_DIRECTORIES,
        ),
        arguments=(Argument("SOURCE", "source", kind="path", complete="directories"),),
        examples=(
            ("provisioner import-pkgpanda --output=host.json /opt/mesosphere", "takes it over"),
        ),
        exit_codes=_READ_CODES,
    ),
    Command(
        "show",
        "provisioner.commands.show:run",
        summary="Show a profile with all that it includes.",
        description=(
            "Prints PROFILE (a path, an http(s) URL, or - for standard input; without one the "
            "applied profile) as JSON, laid over the profiles that it includes: as it would be "
            "applied. Secrets that stand in it are not shown. Nothing is changed."
        ),
        options=(_SHA256, *PATIENCE),
        arguments=(_PROFILE,),
        examples=(("provisioner show host.yaml", "host over group over all"),),
        exit_codes=(65, 66, 69, 74, 76, 77, 78),
    ),
    Command(
        "schema",
        "provisioner.commands.schema:run",
        summary="Print the JSON Schema of profiles.",
        description="Prints the JSON Schema that profiles are checked against.",
        examples=(("provisioner schema > profile.schema.json", "for an editor"),),
        exit_codes=(74,),
        uses_store=False,
    ),
    Command(
        "completion",
        "provisioner.commands.completion:run",
        summary="Print the completion script for a shell.",
        description="Prints a script that teaches a shell to complete provisioner's commands.",
        arguments=(Argument("SHELL", "shell", choices=("bash", "zsh", "fish")),),
        examples=(
            (
                'eval "$(provisioner completion bash)"',
                "for this shell; put it in ~/.bashrc to stay",
            ),
        ),
        uses_store=False,
    ),
)

PROVISIONER = Program(
    "provisioner",
    summary="Brings a host to the state that a profile describes, and keeps it there.",
    options=(ROOT,),
    commands=COMMANDS,
    exit_codes=EXIT_CODES,
)
