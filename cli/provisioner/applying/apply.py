"""Brings the host to what a profile says. One at a time, under ROOT/provisioner/lock.

    1  find out    read, validate, resolve, render; fetch what is missing; put the configuration's
                   package into the store. Nothing of this touches what is active; after a kill the
                   packages stay in the store, and the next apply has less to fetch.
    2  begin       a run is written, with the generation to go back to and the units to restart;
                   `pending` leads to it
    3  change      changed trees are exchanged; packager activates the set in one step; units whose
                   configuration has changed are restarted, and those that have stopped are started
    4  gate        the conditions of the profile
    5  finish      `applied` leads to the run, its record says so, `pending` goes
       or go back  the generation before is activated, its units restarted; the record says why;
                   `applied` stays; `pending` goes

What a kill (or a power loss) leaves, and what the next apply does about it:

    pending  active         killed in     the next apply of the same profile, or of another one
    -        as before      1             begins anew
    run n    as n found it  2, 3, back    begins anew; goes back, if it must, to n's "before"
    run n    as in run n    3, 4, 5       finds the set active; restarts what n had to restart, too;
                                          goes through the gate; goes back to n's "before"
    run n    something else               somebody has used packager meanwhile: what is active now
                                          is what it goes back to

So the way back is never to a set that has not been through the gate; and until an apply has ended,
`pending` says so. A signal leaves what a kill leaves, without what was staged.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from packager.activation.activate import activate, user, variable
from packager.activation.planning import Request
from packager.base.errors import DataError, NotFound, PackagerError
from packager.generations.document import active_generation
from packager.store.installed import has_tree
from packager.store.store import Store
from packager.store.write_session import translated

from provisioner.applying.unit_restarts import Restarter
from provisioner.desired import configuration_package, planning
from provisioner.desired.desired_state import Finder
from provisioner.profile.document import KEEP
from provisioner.runs import run_records
from provisioner.status.plan_document import entries_of, restarts
from provisioner.status.up_to_date import Applied, inputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from packager.base.events import Emit
    from packager.generations.document import Generation
    from packager.package.manifest import Entry

    from provisioner.base.options import Settings
    from provisioner.desired.desired_state import Intent
    from provisioner.profile.document import Document, Profile
    from provisioner.runs.run_records import Run, Writer

MOST_ROUNDS = 8  # of finding out what fetched packages require, where no index tells it


class NotMet(DataError):
    """The conditions are not met (EX_DATAERR); the message says what became of the host."""


class Wish:
    """What an apply is asked for. digest: the keyed one of the profile's bytes. only: these very
    packages, and not what the profile's words stand for; command: for the record."""

    __slots__ = ("command", "digest", "only", "previous", "profile")

    def __init__(
        self,
        profile: Profile,
        digest: str,
        *,
        command: str = "apply",
        only: list[str] | None = None,
        previous: int | None = None,
    ) -> None:
        self.profile = profile
        self.digest = digest
        self.command = command
        self.only = only
        self.previous = previous  # the run that was applied before the one that is gone back to


def apply(root: str, wish: Wish, writer: Writer, settings: Settings, emit: Emit) -> Applied:
    """Carry the wish out; the caller holds the lock. Events: those of packager, and `resolved`,
    `rendered`, `run`, `repaired`, `probe`, `rolling-back`.

    Raises PackagerError: what is refused before anything has changed; NotMet; UnitsFailed.
    """
    store = Store(root)
    held = run_records.applied(root)
    lost = held is not None and not all(has_tree(root, each) for each in held.packages)
    with store.staging() as scratch:
        key = writer.key()
        finder = Finder(root, wish.profile, settings, key=key, emit=emit, scratch=scratch)
        intent = _found(store, finder, wish, settings, emit)
        with translated(root):
            before = entries_of(root, intent)
        damaged = _put(store, intent, emit)
        planning.planned(root, intent, settings)  # what is refused is refused before the run begins
        pending = run_records.pending(root)
        run = writer.begin(wish.profile, _record(root, wish, intent, pending, before, damaged, key))
        emit("run", run=run.number)
        change = _Change(
            root, intent, run, writer, settings, emit, finder, store, lost=lost or damaged
        )
        return change.carry_out(pending)


class _Change:
    """Steps 3 to 5 of one run."""

    def __init__(
        self,
        root: str,
        intent: Intent,
        run: Run,
        writer: Writer,
        settings: Settings,
        emit: Emit,
        finder: Finder,
        store: Store,
        *,
        lost: bool,
    ) -> None:
        self._lost = lost  # whether packages of the set were gone and have been fetched again
        self._root = root
        self._intent = intent
        self._run = run
        self._writer = writer
        self._settings = settings
        self._finder = finder
        self._store = store
        self._restarter = Restarter(emit)
        self._emit: Emit = self._restarter.listening

    def carry_out(self, pending: Run | None) -> Applied:
        from provisioner.applying import health_conditions

        intent, root = self._intent, self._root
        try:
            changed = self._change()
        except PackagerError as error:
            if self._switched() and self._run.before != _number(root):
                raise self._failed(error) from error
            if pending is None:
                self._writer.finish(self._run, run_records.FAILED, str(error), held=False)
            raise
        active = _active(root)
        packages = active.packages if active is not None else {}
        wanted = intent.profile.health
        if not self._settings.systemd and wanted["units"]:
            self._emit("warning", message="units are not looked at: --no-systemd")
        with translated(root):
            found = health_conditions.conditions(
                root, wanted, packages, systemd=self._settings.systemd
            )
        left = health_conditions.unmet(
            found, wanted, health_conditions.environment_for(root, packages), self._emit
        )
        if left:
            raise self._failed(NotMet(f"the host is not well: {health_conditions.words(left)}"))
        self._writer.finish(self._run, run_records.DONE, None, held=True)
        return Applied(self._run, changed)

    def _change(self) -> bool:
        """Step 3; whether anything was done."""
        from provisioner.applying import repair

        intent, root, settings = self._intent, self._root, self._settings
        repaired = repair.repair(
            root, intent.all_ids, self._obtain, self._emit, quick=settings.quick
        )
        plan = activate(root, planning.request(intent, settings), self._emit)
        known = self._run.record["generation"]
        self._writer.update(self._run, generation={**known, "after": plan.target.number})
        restart = self._run.record["restart"]
        wanted = {unit for each in intent.configuration.files for unit in each.restart}
        self._restarter.restart(restart, settings, wanted=wanted)
        placed = repair.units(root, settings.host, self._emit)
        done = (plan.changed, repaired, placed, self._restarter.touched, self._lost)
        return any(done)

    def _failed(self, error: PackagerError) -> PackagerError:
        """The set is active and not well: go back or not; the error that says which."""
        profile = self._intent.profile
        if profile.on_failure == KEEP:
            self._writer.finish(self._run, run_records.UNHEALTHY, str(error), held=True)
            return type_of(error, f"{error}\nthe host stays as it is now, as the profile says")
        back = self._run.before
        if back is not None and back == _number(self._root):
            held = _same(run_records.applied(self._root), self._run)
            self._writer.finish(self._run, run_records.UNHEALTHY, str(error), held=held)
            return type_of(error, f"{error}\nthere is nothing to go back to: this set was active")
        self._emit("rolling-back", generation=back, reason=str(error))
        try:
            self._go_back(back)
        except PackagerError as worse:
            # `pending` stays: neither the one set nor the other is sound.
            reason = f"{error}\ngoing back failed too: {worse}"
            self._writer.update(self._run, reason=reason)
            return type_of(worse, f"{reason}\nrun 'provisioner apply' again when it is mended")
        self._writer.finish(self._run, run_records.ROLLED_BACK, str(error), held=False)
        where = "nothing is active" if back is None else f"generation {back} is active"
        return type_of(error, f"{error}\nthe host is as it was before: {where}")

    def _go_back(self, number: int | None) -> None:
        options = self._settings.host
        if number is not None:
            request = Request("rollback", [str(number)], options=options)
        else:
            active = _active(self._root)
            names = list(active.names) if active is not None else []
            if not names:
                return
            request = Request("deactivate", names, options=options)
        self._restarter.forget()
        activate(self._root, request, self._emit)
        if number is not None:
            self._restarter.restart(self._run.record["restart"], self._settings)

    def _switched(self) -> bool:
        active = _active(self._root)
        return active is not None and tuple(active.packages) == self._run.packages

    @contextmanager
    def _obtain(self, package_id: str) -> Iterator[BinaryIO]:
        """A fresh archive of a package of the set, for `repair`."""
        import io

        if package_id == self._intent.configuration.id:
            yield io.BytesIO(self._intent.configuration.archive)
            return
        from packager.repositories.install import archive

        try:
            candidate = self._finder.repositories().find(package_id)
        except PackagerError as error:
            raise type_of(
                error,
                f"{package_id} has changed in the store, and there is no fresh one: {error}; or "
                f"deactivate and remove it, and add it again",
            ) from error
        with archive(self._store, candidate, self._settings.policy, self._emit) as found:
            yield found[0]


def type_of(error: PackagerError, words: str) -> PackagerError:
    """The same kind of failure, with the same exit code, in other words."""
    made = NotMet(words) if isinstance(error, NotMet) else PackagerError(words)
    made.exit_code = error.exit_code
    return made


def _found(store: Store, finder: Finder, wish: Wish, settings: Settings, emit: Emit) -> Intent:
    """Step 1: the intent, with nothing missing any more."""
    for _ in range(MOST_ROUNDS):
        intent = finder.find(wish.only)
        emit("resolved", packages=len(intent.ids), missing=len(intent.missing))
        if not intent.missing:
            return intent
        from provisioner.applying.fetch_packages import fetch

        fetch(store, intent.missing, settings, emit)
    raise NotFound("packages that are fetched ask for others again and again: name them all")


def _put(store: Store, intent: Intent, emit: Emit) -> bool:
    """Put the configuration's package into the store; whether one was there, and had changed."""
    import io

    made = intent.configuration
    if made.id is None:
        return False
    archive = io.BytesIO(made.archive)
    try:
        added = store.add(archive, package_id=made.id, private=made.private)
    except DataError:
        # Its record is damaged; what its id is the digest of vouches for it in its place.
        known = configuration_package.sha256(made.archive)
        archive = io.BytesIO(made.archive)
        store.repair(made.id, archive, sha256=known, private=made.private, emit=emit)
        emit("repaired", id=made.id)
        return True
    emit("rendered", id=made.id, files=len(made.files), changed=added.changed)
    return not added.changed and bool(store.verify([made.id])[0].differences)


def _record(
    root: str,
    wish: Wish,
    intent: Intent,
    pending: Run | None,
    before: list[Entry],
    damaged: bool,
    key: bytes,
) -> Document:
    """What the run is to be remembered by (see `Writer.begin`)."""
    made, applied = intent.configuration, run_records.applied(root)
    restart = set(configuration_package.restarted(before, made, restarts(applied)))
    for each in made.files:
        place = f"{root}/active/{each.path}"
        # An editor that has put a file in the link's place has left the package as it is.
        if damaged or (os.path.lexists(place) and not os.path.islink(place)):  # noqa: PTH114
            restart.update(each.restart)
    active = _active(root)
    found = active.number if active is not None else None
    back = found
    if pending is not None:
        restart.update(pending.record["restart"])
        switched = active is not None and tuple(active.packages) == pending.packages
        if switched or found == pending.found:
            back = pending.before
    return {
        "command": wish.command,
        "profile": {"name": wish.profile.name, "digest": wish.digest},
        "time": run_records.now(),
        "who": variable("ABI_PRINCIPAL") or user(),
        "request_id": variable("ABI_REQUEST_ID"),
        "previous": wish.previous if wish.command != "apply" else _previous(applied, wish),
        "packages": intent.all_ids,
        "configuration": made.id,
        "roles": list(intent.roles),
        "generation": {"before": back, "found": found, "after": None},
        "restart": sorted(restart),
        "inputs": inputs(wish.profile, intent.secrets, made.facts, key),
    }


def _previous(applied: Run | None, wish: Wish) -> int | None:
    """The run to go back to from this one: the last that had another profile."""
    if applied is None:
        return None
    if applied.record["profile"]["digest"] != wish.digest:
        return applied.number
    found = applied.record["previous"]
    return None if found is None else int(found)


def _same(applied: Run | None, run: Run) -> bool:
    return applied is not None and applied.record["profile"] == run.record["profile"]


def _active(root: str) -> Generation | None:
    with translated(root):
        return active_generation(root)


def _number(root: str) -> int | None:
    active = _active(root)
    return active.number if active is not None else None
