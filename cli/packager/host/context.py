"""Where and for what an activation touches the host."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.host.documents import AdoptedState
    from packager.host.options import HostOptions


class Context:
    """The store at `root`, the number of the generation that becomes active, the number of the one
    that is, the options of the command.

    adopting: what another manager has done on the host for this very set; it counts as done once
    the set is active.
    """

    __slots__ = ("adopting", "generation", "options", "previous", "root")

    def __init__(
        self,
        root: str,
        generation: int,
        previous: int | None,
        options: HostOptions,
        adopting: AdoptedState | None = None,
    ) -> None:
        self.root = root
        self.adopting = adopting
        self.generation = generation
        self.previous = previous
        self.options = options

    @property
    def systemd(self) -> bool:
        """Whether units may be started and stopped."""
        return self.options.systemd

    @property
    def units_dir(self) -> str:
        """Where unit files are placed."""
        return self.options.units_dir(self.root)

    @property
    def state_root(self) -> str:
        """Where packages have their state directories."""
        return self.options.state_root
