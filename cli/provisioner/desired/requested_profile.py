"""The profile that a command is given: bytes from somewhere, or one that is known already.

The profile that is applied, byte for byte, needs no reading: its document is in its run.
"""

from __future__ import annotations

from packager.base.errors import NotFound, UsageError

from provisioner.profile import secret_values, source
from provisioner.runs import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from packager.base.events import Emit

    from provisioner.base.command_options import Settings
    from provisioner.profile.model import Profile
    from provisioner.runs.records import Run


class Given:
    """A profile, and its bytes; None: it is that of `run`, one that was interrupted or applied."""

    __slots__ = ("content", "profile", "run")

    def __init__(self, profile: Profile, content: bytes | None, run: Run | None) -> None:
        self.profile = profile
        self.content = content
        self.run = run

    def digest(self, key: bytes) -> str:
        """The keyed digest of the profile's bytes."""
        if self.content is not None:
            return secret_values.keyed(key, self.content)
        assert self.run is not None
        return str(self.run.record["profile"]["digest"])


def given(
    root: str, sources: Sequence[str], sha256: str | None, settings: Settings, emit: Emit
) -> Given:
    """The profile of the command line: PROFILE, else that of an interrupted run, else the applied
    one. Raises UsageError, NotFound, DataError for a profile that is wrong, what reading raises."""
    if len(sources) > 1:
        raise UsageError("one profile at a time; give one PROFILE")
    if not sources:
        run = records.pending(root) or records.applied(root)
        if run is None:
            raise NotFound(f"no profile was applied to {root} yet; name one: a path, a URL, or -")
        return Given(run.profile(), None, run)
    content = source.read(sources[0], sha256=sha256, settings=settings, emit=emit)
    key, applied = records.key(root), records.applied(root)
    if key is not None and applied is not None:
        known = applied.record["profile"]["digest"]
        if known == secret_values.keyed(key, content):
            return Given(applied.profile(), content, applied)
    from provisioner.profile.parser import parse
    from provisioner.profile.validation import validate

    place = source.place(sources[0])
    return Given(validate(parse(content, place), place), content, None)
