"""What an apply is to do, and what it has done."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from provisioner.base.rollout_caller import RolloutCaller
    from provisioner.profile.model import Profile
    from provisioner.runs.rollout_book import RolloutRequest
    from provisioner.runs.run import Run

APPLY, ROLLBACK = "apply", "rollback"  # the commands, as records name them


class ApplyRequest:
    """The profile to apply. digest: the keyed one of its bytes.

    caller: the rollout that asks, or a person. kept: the record of what is asked for, which is told
    the run. rollback_to: the earlier run whose profile this is; then exactly the packages of that
    run are taken, in place of those that the profile selects now.
    """

    __slots__ = ("caller", "digest", "kept", "profile", "rollback_to")

    def __init__(
        self,
        profile: Profile,
        digest: str,
        caller: RolloutCaller,
        kept: RolloutRequest,
        rollback_to: Run | None = None,
    ) -> None:
        self.profile = profile
        self.digest = digest
        self.caller = caller
        self.kept = kept
        self.rollback_to = rollback_to

    @property
    def revision(self) -> str | None:
        """What the host has afterwards: what the rollout brings, or what the earlier run had."""
        run = self.rollback_to
        return self.caller.revision if run is None else run.record.get("revision")

    @property
    def command(self) -> str:
        return APPLY if self.rollback_to is None else ROLLBACK

    @property
    def only_packages(self) -> list[str] | None:
        """The ids to take, without that of the configuration; None: those that the profile
        selects."""
        run = self.rollback_to
        if run is None:
            return None
        return [each for each in run.packages if each != run.configuration_id]


class ApplyResult:
    """changed: whether anything was done to the host. generation: the number of the active one."""

    __slots__ = ("changed", "generation", "packages", "profile_name", "run_number")

    def __init__(self, run: Run, *, changed: bool) -> None:
        self.run_number = run.number
        self.profile_name = run.profile_name
        self.generation = run.generation_after
        self.packages = run.packages
        self.changed = changed
