"""The hosts that the suite can put under test; a new kind is made with what is named here."""

from agentsim.suite.hosts.kinds import (
    KINDS,
    DidNotStart,
    Host,
    Kind,
    Launch,
    ProgramKind,
    Remote,
    Unsupported,
    free_port,
    register,
)

__all__ = [
    "KINDS",
    "DidNotStart",
    "Host",
    "Kind",
    "Launch",
    "ProgramKind",
    "Remote",
    "Unsupported",
    "free_port",
    "register",
]
