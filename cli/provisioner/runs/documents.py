"""The record of a run as JSON has it, as types. For type checkers alone: nothing imports this when
a command runs.
"""

from __future__ import annotations

from typing import TypedDict

from packager.api import OwnRestart


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


class WhoAndWhen(TypedDict):
    """time: RFC 3339, UTC. who: the principal of the request, or the user."""

    time: str
    who: str
    request_id: str | None


class RolloutFields(TypedDict):
    """The rollout that has asked for the run; revision: what it brought, or what the run had that a
    rollback went to. None for a person's."""

    revision: str | None
    rollout: str | None
    attempt: int | None


class RunStart(WhoAndWhen, RolloutFields):
    """What is known of a run when it begins.

    command: apply or rollback. previous: the run to which `rollback` goes from this one. packages:
    ids of the set, that of the configuration included. configuration: that id, None without files.
    restart: units. own_restart: of the run that was interrupted, if that is why.
    unchanged: nothing was to be done.
    """

    command: str
    profile: RunProfile
    previous: int | None
    packages: list[str]
    configuration: str | None
    roles: list[str]
    generation: RunGenerations
    restart: list[str]
    own_restart: OwnRestart | None
    inputs: RunInputs
    unchanged: bool


class RunRecord(RunStart):
    """record.json. outcome, reason and finished are null until the run has ended. What rollouts are
    about, `unchanged` and `own_restart`, came later: older records lack it."""

    format: int
    run: int
    outcome: str | None
    reason: str | None
    finished: str | None
