"""The command line of `rollout`: plain data, as packager's is (see `packager.cli.definitions`)."""

from __future__ import annotations

from packager.cli.command_model import Argument, Command, Program

EXIT_CODES: dict[int, str] = {
    0: "done",
    64: "the command line is wrong",
    65: "the strategy is wrong, or the hosts that it selects are not those that it expects",
    66: "no such strategy, profile or rollout",
    69: "the master or ZooKeeper can't be reached",
    70: "an internal error",
    74: "reading or writing failed",
    76: "an answer of the master's or of a host's can't be understood",
    77: "permission denied, here or by the remote server",
    78: "the configuration is wrong: a library missing, credentials that can't be read",
}

COMMANDS: tuple[Command, ...] = (
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
)
