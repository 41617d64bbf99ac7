"""What the controller has hosts and masters do: one coroutine an action, each with its answer.

Nothing here changes the record. What is lost on the way says nothing: the host is asked then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from packager.base.errors import Denied, PackagerError, ProtocolError, Temporary, Unavailable

from rollout.controller.answers import ASK_SECONDS, RETRY_SECONDS, Answer, Fenced
from rollout.controller.gate import QUICK_PATIENCE, STATUS_PATIENCE, gate_flaw_of, status_flaw
from rollout.core.earlier_runs import way_back
from rollout.core.host_states import HostEvent
from rollout.core.outcomes import BUSY, FENCED, Became, Outcome, ended, fence_told, of_attempt
from rollout.core.registry import HostId
from rollout.core.strategy import DrainMode, Strategy
from rollout.hosts.access import Hosts
from rollout.hosts.client import Cut, HostRefused, NotReached, Patience
from rollout.hosts.provisioner import Caller, Provisioner
from rollout.hosts.streams import ExitRecord
from rollout.master.client import CallRefused, MasterClient, Reactivation

# Statuses of HTTP by which a host says that it did not even begin: too many wait, it ends, it is
# not there yet.
NOT_BEGUN = (429, 503)
REFUSED = (401, 403)
OLDER = 404
CUT_STATUSES = (502, 504)
WENT_BACK = "rolling-back"


class Effects:
    """The effects of one controller. undoes: the rollout that is taken back. confirm: asks whether
    the lock is held still; it is awaited before each call of the master, which knows no fences."""

    def __init__(
        self,
        strategy: Strategy,
        hosts: Hosts,
        master: MasterClient,
        *,
        profile: bytes,
        undoes: str | None,
        confirm: Callable[[], Awaitable[None]],
    ) -> None:
        self._strategy, self._hosts, self._master = strategy, hosts, master
        self._profile, self._undoes, self._confirm = profile, undoes, confirm

    async def stage(self, host: str, caller: Caller) -> Answer:
        """Have it fetch what it will need; where hosts are taken back, look whether there is
        anything to do."""
        patience = Patience(stream=self._strategy.deadline.apply)
        try:
            provisioner = self._provisioner(host, patience)
            if self._undoes is not None:
                return await self._look_for_way_back(provisioner, caller)
            record = await provisioner.stage(caller, self._profile, _ignore)
        except (NotReached, Cut) as reason:
            return Answer(HostEvent.CUT, _unreachable(reason), rest=RETRY_SECONDS)
        except HostRefused as refused:
            return await self._refused(host, caller, refused, HostEvent.CUT)
        except (Denied, ProtocolError) as reason:
            return Answer(failed=True, final=True, cause=str(reason))
        if record.exit_code == FENCED:
            return await self._conflict(host, caller, record.stderr)
        if record.exit_code == 0:
            return Answer(HostEvent.STAGED)
        if record.exit_code is None:
            return Answer(HostEvent.CUT, f"it was ended: {record.reason}", rest=RETRY_SECONDS)
        outcome = ended(record.exit_code, record.stderr, went_back=False)
        return Answer(failed=True, cause=outcome.cause, rest=RETRY_SECONDS)

    async def apply(self, host: str, attempt: int, caller: Caller) -> Answer:
        """Have it become what it should be, and wait for the end of that."""
        went_back = False

        def listen(event: dict[str, Any]) -> None:
            nonlocal went_back
            went_back = went_back or event.get("event") == WENT_BACK

        patience = Patience(stream=self._strategy.deadline.apply)
        try:
            provisioner = self._provisioner(host, patience)
            record = await self._begin(provisioner, attempt, caller, listen)
        except (NotReached, Cut) as reason:
            return Answer(HostEvent.CUT, _unreachable(reason), rest=ASK_SECONDS)
        except HostRefused as refused:
            return await self._refused(host, caller, refused, HostEvent.CUT)
        except (Denied, ProtocolError) as reason:
            return Answer(failed=True, final=True, cause=str(reason))
        if record.exit_code == FENCED:
            return await self._conflict(host, caller, record.stderr)
        if record.exit_code in (None, BUSY):  # a signal, a limit, the agent's own end; or not begun
            return Answer(HostEvent.CUT, f"it was ended: {record.reason}", rest=ASK_SECONDS)
        return _judged(ended(record.exit_code, record.stderr, went_back=went_back))

    async def ask(self, host: str, attempt: int, caller: Caller, *, forgiving: bool) -> Answer:
        """Ask it what became of an attempt. forgiving: whether one that was interrupted does not
        count."""
        try:
            history = await self._provisioner(host).history()
            self._refuse_foreign(host, caller, history)
            outcome = of_attempt(history, caller.rollout, attempt)
        except (NotReached, Cut) as reason:
            return Answer(rest=RETRY_SECONDS, silent=True, cause=_unreachable(reason))
        except HostRefused as refused:
            return Answer(rest=RETRY_SECONDS, silent=True, cause=_refusal(refused))
        except (Denied, ProtocolError, ValueError) as reason:
            return Answer(rest=RETRY_SECONDS, silent=True, cause=str(reason))
        if outcome.became is Became.RUNNING:
            return Answer(rest=ASK_SECONDS)
        if outcome.became is Became.NOT_BEGUN or (
            outcome.became is Became.INTERRUPTED and forgiving
        ):
            return Answer(HostEvent.NOT_BEGUN, outcome.cause, rest=RETRY_SECONDS)
        return _judged(outcome)

    async def verify(self, host: str, caller: Caller) -> Answer:
        """Look whether its gate holds."""
        gate = self._strategy.gate
        try:
            provisioner = self._provisioner(host, STATUS_PATIENCE)
            flaw = await gate_flaw_of(gate, provisioner, caller.rollout)
        except (NotReached, Cut) as reason:  # its agent may have been restarted
            return Answer(rest=RETRY_SECONDS, silent=True, cause=_unreachable(reason))
        except HostRefused as refused:
            if refused.code is None and refused.status in (*NOT_BEGUN, *CUT_STATUSES):
                return Answer(rest=RETRY_SECONDS, silent=True, cause=_refusal(refused))
            flaw = _refusal(refused)
        except PackagerError as reason:
            flaw = str(reason)
        return Answer(failed=True, cause=flaw) if flaw else Answer(HostEvent.VERIFIED)

    async def watch(self, host: str) -> Answer:
        """Look whether it is well still."""
        try:
            provisioner = self._provisioner(host, QUICK_PATIENCE)
            flaw = await status_flaw(provisioner, quick=True, checks=self._strategy.gate.checks)
        except HostRefused as refused:
            return Answer(silent=True, cause=_refusal(refused))
        except PackagerError as reason:
            return Answer(silent=True, cause=_unreachable(reason))
        return Answer(worse=flaw) if flaw else Answer(well=True)

    async def take(self, agent_id: str) -> Answer:
        """Have the master give it no more tasks, and end those that it has if the strategy says
        so."""
        rules = self._strategy.drain

        async def call() -> None:
            if rules.mode is DrainMode.DRAIN:
                await self._master.drain(agent_id, rules.grace)
            else:
                await self._master.deactivate(agent_id)

        return await self._called(call)

    async def give_back(self, agent_id: str) -> Answer:
        """Have the master give it tasks again."""
        became = Reactivation.DONE

        async def call() -> None:
            nonlocal became
            became = await self._master.reactivate(agent_id)

        answer = await self._called(call)
        if answer.silent:
            return answer
        if became is Reactivation.STILL_DRAINING:
            return Answer(rest=RETRY_SECONDS, resight=True)
        return Answer(given_back=True, resight=True)

    async def _called(self, call: Callable[[], Awaitable[None]]) -> Answer:
        try:
            await self._confirm()
            await call()
        except (Unavailable, Temporary, Denied, ProtocolError, CallRefused) as reason:
            return Answer(rest=RETRY_SECONDS, silent=True, cause=str(reason), resight=True)
        return Answer(resight=True)

    async def _begin(
        self,
        provisioner: Provisioner,
        attempt: int,
        caller: Caller,
        listen: Callable[[dict[str, Any]], None],
    ) -> ExitRecord:
        if self._undoes is None:
            return await provisioner.apply(caller, attempt, self._profile, listen)
        history = await provisioner.history()
        try:
            way = way_back(history, self._undoes, caller.rollout)
        except ValueError as reason:
            raise ProtocolError(str(reason)) from None
        if way.run is None:
            raise ProtocolError(way.words)
        return await provisioner.rollback(caller, attempt, way.run, listen)

    async def _look_for_way_back(self, provisioner: Provisioner, caller: Caller) -> Answer:
        history = await provisioner.history()
        self._refuse_foreign(str(provisioner.host), caller, history)
        assert self._undoes is not None
        try:
            way = way_back(history, self._undoes, caller.rollout)
        except ValueError as reason:
            return Answer(failed=True, final=True, cause=str(reason))
        if way.run is None:
            return Answer(HostEvent.NOTHING_TO_DO, way.words)
        return Answer(HostEvent.STAGED)

    async def _refused(
        self, host: str, caller: Caller, refused: HostRefused, not_begun: HostEvent
    ) -> Answer:
        """What the answer of an error to a request means that was to begin something."""
        if refused.code == FENCED:
            return await self._conflict(host, caller, refused.words)
        is_away = refused.code is None and refused.status in (*NOT_BEGUN, *CUT_STATUSES)
        if is_away or refused.code == BUSY:
            return Answer(not_begun, _refusal(refused), rest=RETRY_SECONDS)
        final = refused.code is None and refused.status in (*REFUSED, OLDER)
        return Answer(failed=True, final=final, cause=_refusal(refused), rest=RETRY_SECONDS)

    async def _conflict(self, host: str, caller: Caller, words: str) -> Answer:
        """It has refused to be asked by this controller, or for this: find out which. Raises
        Fenced."""
        try:
            self._refuse_foreign(host, caller, await self._provisioner(host).history())
        except Fenced:
            raise
        except PackagerError as reason:
            return Answer(HostEvent.CUT, _unreachable(reason), rest=RETRY_SECONDS)
        return Answer(failed=True, final=True, cause=ended(FENCED, words, went_back=False).cause)

    def _refuse_foreign(self, host: str, caller: Caller, document: Mapping[str, Any]) -> None:
        told = fence_told(document)
        if told is not None and told.is_foreign(caller.fence, caller.holder):
            raise Fenced(host, told)

    def _provisioner(self, host: str, patience: Patience | None = None) -> Provisioner:
        return self._hosts.provisioner(HostId.parse(host), patience)


def _judged(outcome: Outcome) -> Answer:
    if outcome.became is Became.APPLIED:
        return Answer(HostEvent.APPLIED)
    rolled_back = outcome.became is Became.ROLLED_BACK
    return Answer(failed=True, rolled_back=rolled_back, cause=outcome.cause, rest=RETRY_SECONDS)


def _unreachable(reason: PackagerError) -> str:
    """A cause without anything of the one host in it."""
    if isinstance(reason, NotReached):
        return "it can't be connected to"
    if isinstance(reason, Cut):
        return "its answer was lost"
    return str(reason)


def _refusal(refused: HostRefused) -> str:
    if refused.status in REFUSED and refused.code is None:
        return "it refuses our credentials"
    words = ended(refused.code, refused.words, went_back=False).cause
    return words if refused.words else f"status {refused.status}"


def _ignore(_: dict[str, Any]) -> None:
    """Events of a stage are not told on."""
