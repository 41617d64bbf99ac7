"""Another set of packages becomes active, or an earlier one again: the steps, in their order.

    1  under ROOT/activation.lock: one activation at a time, the host's side included
    2  under ROOT/lock too: plan (all that can be refused is refused here); make what the new set
       needs on the host; make its tree and sync it; switch `active`; write history
    3  without ROOT/lock: bring the host's services and settings to the new set

A kill before the switch leaves the old generation active, after it the new one; what else it
leaves, the next command clears (see `write_session`, `tree_pool`). What it leaves undone on the
host, the next activation does, also one of the same set.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from packager.activation.own_trial import refuse_broken_successor
from packager.activation.planning import Packages, Plan, Request, make_plan
from packager.base.digest import sha256
from packager.base.errors import PackagerError
from packager.generations.document import Generation, active_number
from packager.generations.tree_pool import Trees
from packager.host import applied_state, apply
from packager.store import lock
from packager.store.translation import translated
from packager.store.write_session import Session, writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from packager.base.events import Emit

# pkgpanda's paths at the top of its root; here they lead into the active generation.
ROOT_LINKS = ("bin", "lib", "etc", "include", "environment", "environment.export")


def planned(root: str, request: Request) -> Plan:
    """The plan; nothing is changed, no lock is taken. Raises as `make_plan`, PackagerError only."""
    root = os.path.abspath(root)  # noqa: PTH100
    with translated(root):
        plan = make_plan(root, request, Packages(root))
        if plan.needs_tree:
            root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
            try:
                Trees(root, root_fd).refuse_mounts()
            finally:
                os.close(root_fd)
        return plan


def activate(
    root: str, request: Request, emit: Emit, *, lock_wait: float = lock.DEFAULT_WAIT
) -> Plan:
    """Carry `request` out in the store at `root`; what was done. Events: `planned` before anything
    changes, `switched` when the new set is active, and those of the host's side.

    Raises PackagerError only: NotFound, UsageError, Conflict, ConfigError (something is mounted in
    a tree that would change) for what is refused; Temporary if the
    locks stay held; what the host's side raises.
    """
    root = os.path.abspath(root)  # noqa: PTH100
    with (
        writing(root, lock_wait=lock_wait, make=False, emit=emit) as session,
        session.locked(lock.ACTIVATION),
    ):
        return _activate(session, request, emit)


def _activate(session: Session, request: Request, emit: Emit) -> Plan:
    """Plan, switch, settle."""
    packages = Packages(session.root)
    with session.locked():
        applied_state.sweep(session.root)
        plan = make_plan(session.root, request, packages)
        if not plan.changed:
            return plan
        if plan.needs_tree:
            session.trees.refuse_mounts()  # before users and directories are made
        apply.refuse_without_systemd(plan.host, plan.context)
        if plan.switches:
            refuse_broken_successor(session.root, plan.target.names)
        _switch(session, plan, packages, emit)
    _settle(session, request, plan, emit)
    return plan


def _switch(session: Session, plan: Plan, packages: Packages, emit: Emit) -> None:
    """Prepare the host and make the target generation, if it is another one, the active one. What
    was prepared is taken back if it does not become active."""
    target = plan.target
    if plan.switches:
        record_origin(target, plan.files)
    emit(
        "planned",
        generation=target.number,
        packages=len(target.packages),
        entering=len(plan.entering),
        leaving=len(plan.leaving),
    )
    for each in plan.edited:
        if each.place is not None:
            emit("edited", of=each.of, path=each.path, place=each.place)
    try:
        apply.prepare(plan.host, plan.context, plan.host_state, emit)
        if plan.switches:
            _switch_tree(session, plan, packages)
    except BaseException:
        if not plan.switches or active_number(session.root) != target.number:
            apply.undo(plan.context, emit)
        raise


def _switch_tree(session: Session, plan: Plan, packages: Packages) -> None:
    trees, target = session.trees, plan.target
    if not trees.has(target.number):
        trees.prepare(target, plan.files, packages.published, session.mine.fd)
    trees.switch(target.number)
    with suppress(OSError):  # it is active: if history can't be written now, recovery writes it
        trees.remember(target.number)
    if plan.current is not None and any(each.place is None for each in plan.edited):
        # It is no model for the next tree, and what is in it is told of now, not some day.
        with suppress(OSError):
            trees.discard(str(plan.current.number), session.mine.fd)
    _make_root_links(session)


def _settle(session: Session, request: Request, plan: Plan, emit: Emit) -> None:
    """Bring the host to the set that is active now; go back if that fails and is asked for."""
    if plan.switches:
        emit("switched", generation=plan.target.number)
    try:
        apply.settle(plan.host, plan.context, plan.host_state, emit)
    except PackagerError as error:
        if request.options.rollback_on_failure and plan.switches and plan.current:
            no_further = request.options.replace(rollback_on_failure=False)
            back = Request("rollback", [str(plan.current.number)], options=no_further)
            emit("warning", message=f"{error}; going back to generation {plan.current.number}")
            _activate(session, back, emit)
            apply.withdraw(plan.host, plan.context, emit)
        raise


def _make_root_links(session: Session) -> None:
    """Make ROOT/bin and its like lead into the active generation, where nothing has their names.

    They never change afterwards. Nothing depends on them: it is no failure if they can't be made.
    """
    made = False
    with suppress(OSError):
        for name in ROOT_LINKS:
            if not os.path.lexists(f"{session.root}/{name}"):
                os.symlink(f"active/{name}", name, dir_fd=session.root_fd)
                made = True
        if made:
            os.fsync(session.root_fd)


def record_origin(target: Generation, files: Mapping[str, bytes]) -> None:
    """Write into the document of a new generation who made it, when, and with which files."""
    if target.time:
        return  # an earlier generation, whose tree is made again
    target.files = {name: sha256(content) for name, content in sorted(files.items())}
    target.time = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    target.who = variable("ABI_PRINCIPAL") or user()
    target.request_id = variable("ABI_REQUEST_ID")


def variable(name: str) -> str | None:
    """The value of an environment variable as text, whatever bytes it has; None if unset."""
    value = os.environ.get(name)
    return None if value is None else os.fsencode(value).decode(errors="replace")


def user() -> str:
    """The person at work: whom sudo knows, else the user of this process."""
    import pwd

    known = variable("SUDO_USER")
    if os.getuid() == 0 and known:
        return known
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
