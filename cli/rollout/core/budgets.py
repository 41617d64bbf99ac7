"""Budgets: what a rollout may cost. They round down."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.core.amounts import Amount, Percentage, rounded_down
from rollout.core.strategy import Strategy


@dataclass(frozen=True)
class Budgets:
    """unavailable: hosts that may be so at once. failures: hosts that may fail in all. applies,
    stages: those that may be under way at once."""

    unavailable: int
    failures: int
    applies: int
    stages: int


class NothingLeft(ValueError):
    """A percentage that comes to no host; the message names it and what helps."""


def budgets(strategy: Strategy, selected: int) -> Budgets:
    """The budgets for so many selected hosts. Raises NothingLeft."""
    return Budgets(
        _hosts("max_unavailable", strategy.max_unavailable, selected),
        _hosts("max_failures", strategy.max_failures, selected),
        strategy.concurrency,
        strategy.stage_concurrency,
    )


def _hosts(name: str, amount: Amount, selected: int) -> int:
    hosts = rounded_down(amount, selected)
    if isinstance(amount, Percentage) and not hosts:
        raise NothingLeft(
            f"{name}: {amount} of {selected} hosts comes to none: give a number of hosts, "
            "0 too if that is what is meant"
        )
    return hosts
