"""What all steps of one apply share."""

from __future__ import annotations

from packager.api import active_generation, translated

from provisioner.applying.unit_restarts import UnitRestarter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.api import Generation, Store
    from packager.base.events import Emit

    from provisioner.applying.request import ApplyRequest
    from provisioner.base.command_options import CommandOptions
    from provisioner.desired.desired_state import DesiredStateResolver
    from provisioner.profile.redaction import Redaction
    from provisioner.runs.writer import RunWriter


class ApplyContext:
    """One apply. emit: tells the command's listener. emit_observed: the same, for what starts
    units: `restarter` learns which. host: the options of its activations, which leave the unit that
    the command runs in to `own_restart`. redaction: for what programs of the host say."""

    __slots__ = (
        *("emit", "emit_observed", "host", "options", "redaction", "request", "resolver"),
        *("restarter", "root", "store", "writer"),
    )

    def __init__(
        self,
        store: Store,
        request: ApplyRequest,
        writer: RunWriter,
        options: CommandOptions,
        resolver: DesiredStateResolver,
        emit: Emit,
        redaction: Redaction,
    ) -> None:
        self.root = store.root
        self.store = store
        self.request = request
        self.writer = writer
        self.options = options
        self.host = options.host.replace(postpone_own=True)
        self.redaction = redaction
        self.resolver = resolver
        self.restarter = UnitRestarter(options.host, emit)
        self.emit = emit
        self.emit_observed: Emit = self.restarter.observe

    def active_generation(self) -> Generation | None:
        """The generation that is active now. Raises PackagerError."""
        with translated(self.root):
            return active_generation(self.root)

    def active_number(self) -> int | None:
        """Its number; None: nothing is active. Raises PackagerError."""
        active = self.active_generation()
        return active.number if active is not None else None
