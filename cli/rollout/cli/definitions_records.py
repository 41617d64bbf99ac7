"""The commands of `rollout` that look at the record of one, or write a wish into it."""

from __future__ import annotations

from packager.cli.command_model import Command, Option, format_option

from rollout.cli.options import LOOKS, ROLLOUT_ID

_CODES = (66, 69, 74, 75, 77, 78)
_NEWEST = "Without an ID it is the newest that this machine knows."
_ASKS = (
    "Its controller, wherever it is, obeys within a second or two; if there is none, whoever "
    "resumes the rollout does."
)

COMMANDS: tuple[Command, ...] = (
    Command(
        "status",
        "rollout.commands.status:status",
        summary="Tell where a rollout is: counts by state, failures by cause.",
        description=f"Reads the record of the rollout ID; no host is asked. {_NEWEST}",
        options=(*LOOKS, format_option("table", "json")),
        arguments=(ROLLOUT_ID,),
        examples=(
            ("rollout status", "the newest"),
            ("rollout status --format=json r0123456789", "for a program"),
        ),
        exit_codes=_CODES,
    ),
    Command(
        "watch",
        "rollout.commands.status:watch",
        summary="Tell whenever a rollout gets further.",
        description=(
            "Reads the record of the rollout ID again and again, until it has ended, or is paused "
            f"and nobody is at it; the exit status says which. {_NEWEST}"
        ),
        options=(*LOOKS, format_option("table", "ndjson")),
        arguments=(ROLLOUT_ID,),
        examples=(("rollout watch --masters=zk://z1:2181/mesos r0123456789", "from elsewhere"),),
        exit_codes=(3, 4, 5, 6, *_CODES),
    ),
    Command(
        "pause",
        "rollout.commands.operator_wishes:pause",
        summary="Have a rollout begin nothing new.",
        description=f"What is under way ends. {_ASKS} {_NEWEST}",
        options=LOOKS,
        arguments=(ROLLOUT_ID,),
        examples=(("rollout pause", "the newest"),),
        exit_codes=(65, *_CODES),
    ),
    Command(
        "promote",
        "rollout.commands.operator_wishes:promote",
        summary="Say that the hosts are well that the strategy has a person look at.",
        description=f"The next batch begins then. {_ASKS} {_NEWEST}",
        options=LOOKS,
        arguments=(ROLLOUT_ID,),
        examples=(("rollout promote r0123456789", "its controller stays (--stay)"),),
        exit_codes=(65, *_CODES),
    ),
    Command(
        "abort",
        "rollout.commands.operator_wishes:abort",
        summary="Have a rollout end without anything new.",
        description=(
            "Applies that run come to their end, and hosts that this rollout has taken from the "
            f"cluster are given back. {_ASKS} {_NEWEST}"
        ),
        options=LOOKS,
        arguments=(ROLLOUT_ID,),
        examples=(("rollout abort r0123456789", "'rollout undo' takes back what it changed"),),
        exit_codes=(65, *_CODES),
    ),
    Command(
        "history",
        "rollout.commands.history:history",
        summary="List rollouts.",
        description="Those that this machine knows, or that are in the ZooKeeper of a cluster.",
        options=(*LOOKS, format_option("table", "json")),
        examples=(("rollout history --masters=zk://z1:2181/mesos", "of a cluster"),),
        exit_codes=_CODES,
    ),
    Command(
        "report",
        "rollout.commands.history:report",
        summary="Tell what became of each host of a rollout, when, and why.",
        description=(
            "Times are those that controllers on this machine have seen; the record has how each "
            f"host ended, wherever its controller was. {_NEWEST}"
        ),
        options=(
            Option(
                "--html",
                "html",
                kind="path",
                metavar="FILE",
                help="Write it as one HTML file, with a picture of the hosts over time.",
            ),
            *LOOKS,
            format_option("table", "json"),
        ),
        arguments=(ROLLOUT_ID,),
        examples=(("rollout report --html=web.html", "to look at, and to keep"),),
        exit_codes=_CODES,
    ),
)
