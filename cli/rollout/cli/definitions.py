"""The command line of `rollout`: plain data, as packager's is (see `packager.cli.definitions`)."""

from __future__ import annotations

from packager.cli.command_model import Argument, Command, LazyCommands, Program, format_option

from rollout.cli.options import ACCESS, AGENTS, SAMPLE

EXIT_CODES: dict[int, str] = {
    0: "done; of what goes on for a while: done, or undone",
    3: "it is paused",
    4: "it is done, but for hosts that were not there, or were passed over",
    5: "it has come to its end, and hosts have failed",
    6: "it was aborted",
    7: "another controller has taken it over, so this one has stopped",
    64: "the command line is wrong",
    65: "the strategy is wrong, or the hosts that it selects are not those that it expects",
    66: "no such strategy, profile or rollout",
    69: "the master or ZooKeeper can't be reached",
    70: "an internal error",
    73: "a host takes part in another rollout",
    74: "reading or writing failed",
    75: "try again: the master has not recovered, or another one leads now",
    76: "an answer of the master's or of a host's can't be understood",
    77: "permission denied, here or by the remote server",
    78: "the configuration is wrong: a library missing, credentials that can't be read",
}

_STRATEGY = Argument("FILE", "source", kind="path", complete="files")
_READ_CODES = (65, 66, 69, 74, 75, 76, 77, 78)

COMMANDS: tuple[Command | LazyCommands, ...] = (
    Command(
        "hosts",
        "rollout.commands.hosts:run",
        summary="List the hosts that a strategy selects, and the others with the reason.",
        description=(
            "Asks the leading master for its agents and lists those that the strategy FILE (a "
            "path, or - for standard input) selects, in the order of their turns with the batch of "
            "each, and all others with the reason. Agents that are unreachable are in no list of "
            "the master's, so not in this one either."
        ),
        options=(*ACCESS, format_option("table", "json")),
        arguments=(_STRATEGY,),
        examples=(
            ("rollout hosts web.yaml", "a table"),
            ("rollout hosts --credentials=ops.txt --format=json web.yaml", "for a program"),
        ),
        exit_codes=_READ_CODES,
    ),
    Command(
        "plan",
        "rollout.commands.plan:run",
        summary="Show the batches and budgets that a rollout would begin with.",
        description=(
            "Asks the leading master for its agents and shows what a rollout by the strategy FILE "
            "would begin with: batches, budgets, hosts that are unavailable already. Nothing is "
            "changed. With --sample, hosts are asked what an apply would change on them; equal "
            "answers are told once. The exit code is 65 if it could not begin, with every reason."
        ),
        options=(*ACCESS, *AGENTS, SAMPLE, format_option("table", "json")),
        arguments=(_STRATEGY,),
        examples=(
            ("rollout plan web.yaml", "before a start"),
            ("rollout plan --sample=20 web.yaml", "asks twenty hosts, too"),
        ),
        exit_codes=_READ_CODES,
    ),
    LazyCommands(("start", "resume", "retry", "undo"), "rollout.cli.definitions_work:COMMANDS"),
    LazyCommands(
        ("status", "watch", "pause", "promote", "abort", "history", "report"),
        "rollout.cli.definitions_records:COMMANDS",
    ),
    Command(
        "schema",
        "rollout.commands.schema:run",
        summary="Print the JSON Schema of strategies.",
        description="Prints the JSON Schema that strategies are checked against.",
        examples=(("rollout schema > strategy.schema.json", "for an editor"),),
        exit_codes=(74,),
    ),
    Command(
        "completion",
        "rollout.commands.completion:run",
        summary="Print the completion script for a shell.",
        description="Prints a script that teaches a shell to complete rollout's commands.",
        arguments=(Argument("SHELL", "shell", choices=("bash", "zsh", "fish")),),
        examples=(
            ('eval "$(rollout completion bash)"', "for this shell; put it in ~/.bashrc to stay"),
        ),
    ),
)

ROLLOUT = Program(
    "rollout",
    summary="Brings one profile to a whole cluster: a few hosts first, then more.",
    options=(),
    commands=COMMANDS,
    exit_codes=EXIT_CODES,
    story=(
        "A rollout",
        (
            ("rollout hosts web.yaml", "who is selected, and who is not"),
            ("rollout plan --sample=20 web.yaml", "batches, budgets, what would change"),
            ("rollout start web.yaml", "bring it to the hosts"),
            ("rollout status", "where it is, failures by cause; from elsewhere, too"),
            ("rollout resume --promote", "go on after a person has looked at the first ones"),
            ("rollout undo", "each host back to what it had"),
        ),
    ),
)
