"""The first step of an apply: all that can be done before anything of the host changes."""

from __future__ import annotations

from contextlib import contextmanager

from packager.api import Store
from packager.base.errors import NotFound

from provisioner.applying.configuration_install import install_configuration
from provisioner.applying.context import ApplyContext
from provisioner.desired.desired_state import DesiredStateResolver
from provisioner.planning.activation_plan import plan_activation, refuse_without_needed_systemd
from provisioner.planning.configuration_changes import active_configuration_files
from provisioner.profile.redaction import Redaction
from provisioner.runs import reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from packager.base.events import Emit

    from provisioner.applying.request import ApplyRequest
    from provisioner.base.command_options import CommandOptions
    from provisioner.desired.desired_state import DesiredState
    from provisioner.planning.configuration_changes import ActiveFile
    from provisioner.runs.writer import RunWriter

MAX_DOWNLOAD_ROUNDS = 8  # of resolving what downloaded packages require, where no index tells it


class Preparation:
    """What the step has come to. key: of keyed digests. files_before: of the configuration that is
    active. configuration_was_damaged: the package of the new one was in the store, and damaged."""

    __slots__ = ("configuration_was_damaged", "context", "desired", "files_before", "key")

    def __init__(
        self,
        context: ApplyContext,
        desired: DesiredState,
        key: bytes,
        files_before: Sequence[ActiveFile],
        *,
        configuration_was_damaged: bool,
    ) -> None:
        self.context = context
        self.desired = desired
        self.key = key
        self.files_before = files_before
        self.configuration_was_damaged = configuration_was_damaged


@contextmanager
def prepared(
    root: str, request: ApplyRequest, writer: RunWriter, options: CommandOptions, emit: Emit
) -> Iterator[Preparation]:
    """Resolve, download, render, plan. What was unpacked for that is gone after the block. Events:
    those of packager, `resolved`, `rendered`, `repaired`. Raises PackagerError for what can't
    become active, too."""
    store = Store(root)
    with store.staging() as scratch:
        key = writer.digest_key()
        resolver = DesiredStateResolver(
            root, request.profile, options, key=key, emit=emit, scratch=scratch
        )
        redaction = _redaction(root, resolver)
        emit = redaction.emit(emit)
        context = ApplyContext(store, request, writer, options, resolver, emit, redaction)
        desired = _desired_state(context)
        files_before = active_configuration_files(root, desired)
        was_damaged = install_configuration(store, desired.configuration, emit)
        plan = plan_activation(root, desired, options.host)
        refuse_without_needed_systemd(root, desired, plan, options.host)
        yield Preparation(
            context, desired, key, files_before, configuration_was_damaged=was_damaged
        )


def _redaction(root: str, resolver: DesiredStateResolver) -> Redaction:
    """Of the secrets of this profile, and of those that stand in the applied one: going back starts
    services with them."""
    applied = reader.applied_run(root)
    before = applied.profile().secrets if applied is not None else {}
    inline = (each for each in before.values() if isinstance(each, str))
    return Redaction([*resolver.secrets.values(), *inline])


def _desired_state(context: ApplyContext) -> DesiredState:
    """The desired state, with no package missing: what is, is downloaded."""
    for _ in range(MAX_DOWNLOAD_ROUNDS):
        desired = context.resolver.resolve(context.request.only_packages)
        packages, missing = len(desired.packages), len(desired.missing)
        context.emit("resolved", packages=packages, missing=missing)
        if not desired.missing:
            return desired
        from provisioner.applying.fetch_packages import fetch_packages

        fetch_packages(context.store, desired.missing, context.options, context.emit)
    raise NotFound("downloaded packages require further ones again and again: name them all")
