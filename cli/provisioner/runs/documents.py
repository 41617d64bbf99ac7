"""The record of a run as JSON has it, as types. For type checkers alone: nothing imports this when
a command runs.
"""

from __future__ import annotations

from typing import TypedDict


class RunProfile(TypedDict):
    """The profile's name, and the keyed digest of its bytes."""

    name: str
    digest: str


class RunGenerations(TypedDict):
    """Numbers of generations. before: the one to go back to. found: the one that was active when
    the run began: `before`, or that of an interrupted run, whose conditions were never met. after:
    the one that the run has made active, None until it has. None: nothing is active."""

    before: int | None
    found: int | None
    after: int | None


class RunInputs(TypedDict):
    """What of the host was rendered into the configuration: the names of the facts, and a keyed
    digest of their values and of the secrets that are in files."""

    facts: list[str]
    digest: str


class RunStart(TypedDict):
    """What is known of a run when it begins.

    command: apply or rollback. time: RFC 3339, UTC. who: the principal of the request, or the user.
    previous: the run to which `rollback` goes from this one. packages: ids of the set, that of the
    configuration included. configuration: that id, None without files. restart: units.
    """

    command: str
    profile: RunProfile
    time: str
    who: str
    request_id: str | None
    previous: int | None
    packages: list[str]
    configuration: str | None
    roles: list[str]
    generation: RunGenerations
    restart: list[str]
    inputs: RunInputs


class RunRecord(RunStart):
    """record.json. outcome, reason and finished are null until the run has ended."""

    format: int
    run: int
    outcome: str | None
    reason: str | None
    finished: str | None
