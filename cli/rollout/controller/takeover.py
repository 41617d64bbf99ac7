"""How a controller takes hosts over: with a fence that is higher than all that they have seen."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from packager.base.errors import PackagerError

from rollout.controller.answers import Fenced
from rollout.controller.keeper import Keeper
from rollout.core.outcomes import FENCED, ToldFence, fence_told
from rollout.core.registry import HostId
from rollout.hosts.access import Hosts
from rollout.hosts.client import HostRefused, Patience
from rollout.hosts.sweep import sweep
from rollout.records.documents import Fence, Holder

CONCURRENCY = 100  # hosts
PATIENCE = Patience(answer=30.0)
ROUNDS = 5


class HigherFence(PackagerError):
    """The host has seen a fence as high, of another controller, or a higher one."""

    exit_code = 7

    def __init__(self, told: ToldFence) -> None:
        super().__init__(f"it obeys fence {told.number} of {told.holder}")
        self.told = told


async def take_over(
    keeper: Keeper, holder: Holder, hosts: Hosts, order: Iterable[str]
) -> frozenset[str]:
    """Raise the fence in the record and on all hosts that answer; give those that do not.

    Only who holds lock and record does this, so nobody raises it in turn. Raises PackagerError of
    the record; Fenced, if hosts tell of a higher one each time.
    """
    told = 0
    host = ""
    for _ in range(ROUNDS):
        fence = await keeper.raise_fence(holder, told)
        ask = partial(fence_host, hosts, fence)
        answers = await sweep(order, ask, concurrency=CONCURRENCY)
        higher = {h: e.told for h, e in answers.items() if isinstance(e, HigherFence)}
        if not higher:
            return frozenset(h for h, each in answers.items() if isinstance(each, PackagerError))
        host = max(higher, key=lambda each: higher[each].number)
        told = higher[host].number
    raise Fenced(host, ToldFence(told, None))


async def fence_host(hosts: Hosts, fence: Fence, host: str) -> ToldFence:
    """Have one host obey this fence from now on. Raises HigherFence, PackagerError: it does not
    answer, or its provisioner is older."""
    provisioner = hosts.provisioner(HostId.parse(host), PATIENCE)
    try:
        return await provisioner.fence(fence.number, fence.holder)
    except HostRefused as refused:
        if refused.code != FENCED:
            raise
    told = fence_told(await provisioner.history())
    if told is None or not told.is_foreign(fence.number, fence.holder):
        raise PackagerError("it refuses the fence, and does not say why")
    raise HigherFence(told)
