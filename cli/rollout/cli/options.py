"""Options that several commands of `rollout` have."""

from __future__ import annotations

from packager.cli.command_model import FLAG, Argument, Option

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
    Option(
        "--agent-networks",
        "agent_networks",
        kind="path",
        metavar="CIDR,…",
        help="Send agents credentials without TLS, too, if their addresses are in these networks.",
    ),
)
# Which rollout, and where its record is.
JOURNAL = Option(
    "--journal",
    "journal",
    kind="path",
    metavar="FILE",
    envvar="ROLLOUT_JOURNAL",
    help="The journal of this machine; without ZooKeeper it has the records, too.",
)
MASTERS = Option(
    "--masters",
    "masters",
    kind="path",
    metavar="zk://…",
    envvar="ROLLOUT_MASTERS",
    help="The cluster of a rollout that began on another machine, as its strategy has it.",
)
ROLLOUT_ID = Argument("ID", "rollouts", kind="path", many=True)
# What every command has that carries a rollout on.
CARRIES_ON = (
    *ACCESS,
    *AGENTS,
    JOURNAL,
    Option(
        "--stay",
        "stay",
        kind=FLAG,
        help="Stay while it is paused, until it is promoted, resumed or aborted from elsewhere.",
    ),
    Option(
        "--format",
        "output_format",
        choices=("table", "ndjson"),
        default="table",
        help="A display or a line an event for people, or JSON lines for programs.",
    ),
)
PROFILE = Option(
    "--profile",
    "profile",
    kind="path",
    metavar="FILE",
    help="The profile, if the record has none because of its secrets.",
)
# What every command has that looks at a record.
LOOKS = (
    MASTERS,
    JOURNAL,
    next(each for each in ACCESS if each.name == "--zk-credentials"),
)
SAMPLE = Option(
    "--sample",
    "sample",
    kind="count",
    default="0",
    metavar="COUNT",
    help="Ask the first COUNT hosts what an apply would change on them. 0 asks none.",
)
