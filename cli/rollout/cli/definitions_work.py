"""The commands of `rollout` that carry one on."""

from __future__ import annotations

from packager.cli.command_model import FLAG, Argument, Command, Option

from rollout.cli.options import CARRIES_ON, MASTERS, PROFILE, ROLLOUT_ID

_CODES = (3, 4, 5, 6, 7, 65, 66, 69, 73, 74, 75, 76, 77, 78)
_ENDS = (
    "It goes on until the rollout has ended, or is paused and nothing is under way any more. "
    "Ctrl-C pauses it, and once more leaves it as it is: what hosts were asked for goes on there, "
    "and 'rollout resume' goes on with the rest."
)

COMMANDS: tuple[Command, ...] = (
    Command(
        "start",
        "rollout.commands.start:run",
        summary="Bring a profile to the hosts that a strategy selects.",
        description=(
            "Brings the profile to the selected hosts, a batch after the other, within the budgets "
            f"of the strategy FILE (a path, or - for standard input). {_ENDS}"
        ),
        options=CARRIES_ON,
        arguments=(Argument("FILE", "source", kind="path", complete="files"),),
        examples=(
            ("rollout start web.yaml", "with a live display in a terminal"),
            ("rollout start --format=ndjson web.yaml > events", "for a program"),
        ),
        exit_codes=_CODES,
    ),
    Command(
        "resume",
        "rollout.commands.resume:run",
        summary="Go on with a rollout after a pause or a crash.",
        description=(
            "Takes the rollout ID (the newest that this machine knows, if none is named) over and "
            "goes on with it. Every host that answers is told first, so that the controller "
            f"before, should it live still, is obeyed by none of them. {_ENDS}"
        ),
        options=(
            Option(
                "--promote",
                "promote",
                kind=FLAG,
                help="The hosts of the batch that a person was to look at are well.",
            ),
            MASTERS,
            PROFILE,
            *CARRIES_ON,
        ),
        arguments=(ROLLOUT_ID,),
        examples=(
            ("rollout resume --promote", "after looking at the canaries"),
            ("rollout resume --masters=zk://z1:2181/mesos r0123456789", "on another machine"),
        ),
        exit_codes=_CODES,
    ),
    Command(
        "retry",
        "rollout.commands.retry:run",
        summary="Try hosts of a rollout again.",
        description=(
            "Tries the hosts of the rollout ID again that have failed, or were not there, and goes "
            "on with the rest if it is paused."
        ),
        options=(
            Option("--failed", "failed", kind=FLAG, help="Those that have failed."),
            Option(
                "--absent",
                "absent",
                kind=FLAG,
                help="Those that were not there, or were passed over.",
            ),
            MASTERS,
            PROFILE,
            *CARRIES_ON,
        ),
        arguments=(ROLLOUT_ID,),
        examples=(("rollout retry --failed", "after the cause was mended"),),
        exit_codes=_CODES,
    ),
    Command(
        "undo",
        "rollout.commands.undo:run",
        summary="Take each host back to the revision that it had before a rollout.",
        description=(
            "Makes a rollout that takes each host of the rollout ID back to the run that it had "
            "before, with the same batches, budgets and gates. Hosts that had none, or that "
            "somebody has applied something else to since, are left as they are, and told of."
        ),
        options=(MASTERS, *CARRIES_ON),
        arguments=(ROLLOUT_ID,),
        examples=(("rollout undo r0123456789", "after it has ended, or was aborted"),),
        exit_codes=_CODES,
    ),
)
