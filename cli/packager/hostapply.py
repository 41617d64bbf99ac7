"""Carries a host plan out: the part of an activation that is outside the store.

    plan      what is to be done so that the host fits a set, with what is there now looked at
    before    users, state directories: what the new set needs before it may become active
    undo      takes back what this very `before` has made, when the activation fails after it
    after     units, settings: once `active` has been switched

The activation calls them in this order, holding ROOT/activation.lock: one activation at a time.
What a kill between two of them leaves undone is in the next plan: the activation keeps no journal of
its own for the host, and calls `plan` also when the set of packages stays the same.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.events import Emit
    from packager.hostplan import Facts, HostPlan


class Context:
    """Where and how: the store, the generation that becomes active, the options of the command."""

    __slots__ = ("generation", "options", "previous", "root")

    def __init__(
        self, root: str, generation: int, previous: int | None, options: dict[str, object]
    ) -> None:
        self.root = root
        self.generation = generation
        self.previous = previous
        self.options = options  # the values of `commands.HOST_OPTIONS`, by dest


def plan(facts_by_id: dict[str, Facts], roles: tuple[str, ...], context: Context) -> HostPlan:
    """What is to be done for these packages on a host with these roles; {} if nothing is.

    Changes nothing. Raises Conflict for what nobody here may do.
    """
    del facts_by_id, roles, context
    return {}


def before(plan: HostPlan, context: Context, emit: Emit) -> None:
    """Make what the new set needs. Raises PackagerError; the caller then calls `undo`."""
    del plan, context, emit


def undo(plan: HostPlan, context: Context, emit: Emit) -> None:
    """Take back what `before` has made for this generation, and nothing else."""
    del plan, context, emit


def after(plan: HostPlan, context: Context, emit: Emit) -> None:
    """Bring units and settings to the new set.

    Raises PackagerError if something could not be brought there; the new set is active then. The
    caller activates the previous generation again if the option rollback_on_failure is set.
    """
    del plan, context, emit
