"""Carries a host plan out: the part of an activation that is outside the store.

    before    users, state directories: what the new set needs before it may become active
    undo      takes back what this very `before` has made, when the activation fails after it
    after     units, settings: once `active` has been switched

The activation calls them in this order, holding ROOT/activation.lock: one activation at a time.
A plan is recorded durably before `before` is called and forgotten after `after` has returned, so all
three must be safe to repeat: recovery calls `undo` if the switch never happened, and `after` if it
did.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.events import Emit
    from packager.hostplan import HostPlan


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
