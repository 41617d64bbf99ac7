"""The profile that a command is to work with: read from a source, or known from an earlier run.

The profile that is applied, byte for byte, need not be parsed again: its document is in its run.
"""

from __future__ import annotations

from packager.base.debug_log import debug
from packager.base.errors import NotFound, UsageError

from provisioner.base import keyed_digest
from provisioner.profile import source
from provisioner.profile.secret_values import has_inline_secrets
from provisioner.runs import reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from packager.base.events import Emit

    from provisioner.base.command_options import CommandOptions
    from provisioner.profile.model import Profile
    from provisioner.runs.run import Run


class RequestedProfile:
    """A profile, and its bytes, with those of all that it includes; None: it is that of `run`,
    which was interrupted or is applied. layers: the paths of what it includes, the lowest first."""

    __slots__ = ("content", "layers", "profile", "run")

    def __init__(
        self,
        profile: Profile,
        content: bytes | None,
        run: Run | None,
        layers: Sequence[str] = (),
    ) -> None:
        self.profile = profile
        self.content = content
        self.run = run
        self.layers = list(layers)

    def digest(self, key: bytes) -> str:
        """The keyed digest of the profile's bytes."""
        if self.content is not None:
            return keyed_digest.of_bytes(key, self.content)
        assert self.run is not None
        return self.run.profile_digest


def load_requested_profile(
    root: str, sources: Sequence[str], sha256: str | None, options: CommandOptions, emit: Emit
) -> RequestedProfile:
    """The profile of the command line: PROFILE, else that of an interrupted run, else the applied
    one. Raises UsageError, NotFound, DataError for a profile that is wrong, what reading raises."""
    if len(sources) > 1:
        raise UsageError("one profile at a time; give one PROFILE")
    if not sources:
        run = reader.pending_run(root) or reader.applied_run(root)
        if run is None:
            raise NotFound(f"no profile was applied to {root} yet; name one: a path, a URL, or -")
        debug(lambda: f"profile: that of run {run.number}")
        return RequestedProfile(run.profile(), None, run)
    found = source.read_source(sources[0], sha256=sha256, options=options, emit=emit)
    requested = _requested_profile(root, found.content, sources[0], emit)
    if found.is_public and has_inline_secrets(requested.profile.secrets):
        place = source.display_name(sources[0])
        emit(
            "warning",
            message=f"{place} has secrets in it and can be read by everybody: chmod o= it, or keep "
            "them in files of their own",
        )
    return requested


def _requested_profile(
    root: str, content: bytes, profile_source: str, emit: Emit
) -> RequestedProfile:
    place = source.display_name(profile_source)
    applied = _applied_with_bytes(root, content)
    if applied is not None:
        return RequestedProfile(applied.profile(), content, applied)
    from packager.base.documents.parser import parse

    from provisioner.profile.kind import PROFILE
    from provisioner.profile.validation import validate

    debug(lambda: f"profile: {place} is parsed and validated")
    document = parse(content, place, PROFILE)
    layers: list[str] = []
    if "include" in document:
        from provisioner.profile.included_layers import resolve_layers

        directory = source.directory_of(profile_source)
        resolved = resolve_layers(document, content, place, directory, emit)
        document, content, layers = resolved.document, resolved.content, resolved.places
        debug(lambda: f"profile: laid over {', '.join(layers) or 'nothing'}")
        applied = _applied_with_bytes(root, content)
        if applied is not None:
            return RequestedProfile(applied.profile(), content, applied, layers)
    return RequestedProfile(validate(document, place), content, None, layers)


def _applied_with_bytes(root: str, content: bytes) -> Run | None:
    """The applied run, if its profile has these bytes: it need not be parsed then."""
    key, applied = reader.digest_key(root), reader.applied_run(root)
    digest = keyed_digest.of_bytes(key, content) if key is not None else None
    if applied is None or applied.profile_digest != digest:
        return None
    number = applied.number
    debug(lambda: f"profile: byte for byte that of run {number}, so it is not validated")
    return applied
