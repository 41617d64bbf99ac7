"""The command line of `rollout`: plain data, as packager's is (see `packager.cli.definitions`)."""

from __future__ import annotations

from packager.cli.command_model import FLAG, Argument, Command, Option, Program, format_option

EXIT_CODES: dict[int, str] = {
    0: "done",
    64: "the command line is wrong",
    65: "the strategy is wrong, or the hosts that it selects are not those that it expects",
    66: "no such strategy, profile or rollout",
    69: "the master or ZooKeeper can't be reached",
    70: "an internal error",
    74: "reading or writing failed",
    75: "try again: the master has not recovered, or another one leads now",
    76: "an answer of the master's or of a host's can't be understood",
    77: "permission denied, here or by the remote server",
    78: "the configuration is wrong: a library missing, credentials that can't be read",
}

# How masters are reached.
ACCESS = (
    Option(
        "--credentials",
        "credentials",
        kind="path",
        metavar="FILE",
        envvar="ROLLOUT_CREDENTIALS",
        help="Principal and secret for the masters: a line with both, or JSON, as Mesos has them.",
    ),
    Option(
        "--zk-credentials",
        "zk_credentials",
        kind="path",
        metavar="FILE",
        envvar="ROLLOUT_ZK_CREDENTIALS",
        help="User and password for ZooKeeper, in such a file.",
    ),
    Option(
        "--ca",
        "ca",
        kind="path",
        metavar="FILE",
        help="The certificates to trust, in place of the system's.",
    ),
    Option(
        "--https",
        "https",
        kind=FLAG,
        help="Ask the masters that ZooKeeper names by TLS. URLs say it themselves.",
    ),
    Option(
        "--wait",
        "wait",
        kind="seconds",
        default="30",
        metavar="SECONDS",
        help="How long a leading master that has recovered is waited for.",
    ),
)
# How hosts are reached.
AGENTS = (
    Option(
        "--sample",
        "sample",
        kind="count",
        default="0",
        metavar="COUNT",
        help="Ask the first COUNT hosts what an apply would change on them. 0 asks none.",
    ),
    Option(
        "--agent-credentials",
        "agent_credentials",
        kind="path",
        metavar="FILE",
        envvar="ROLLOUT_AGENT_CREDENTIALS",
        help="Principal and secret for the agents, in such a file.",
    ),
    Option(
        "--agent-https",
        "agent_https",
        kind=FLAG,
        help="Ask agents by TLS.",
    ),
    Option(
        "--trust-network",
        "trust_network",
        kind=FLAG,
        help="Send agents credentials without TLS, too.",
    ),
)
_STRATEGY = Argument("FILE", "source", kind="path", complete="files")
_READ_CODES = (65, 66, 69, 74, 75, 76, 77, 78)

COMMANDS: tuple[Command, ...] = (
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
        options=(*ACCESS, *AGENTS, format_option("table", "json")),
        arguments=(_STRATEGY,),
        examples=(
            ("rollout plan web.yaml", "before a start"),
            ("rollout plan --sample=20 web.yaml", "asks twenty hosts, too"),
        ),
        exit_codes=_READ_CODES,
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
)
