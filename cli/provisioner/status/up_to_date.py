"""Whether the host is what the applied run has left, and nothing that went into it has changed.

Most applies find that so and end here: what is imported on the way is kept light.
"""

from __future__ import annotations

from packager.store.write_session import translated
from packager.verification.generation_check import is_activating

from provisioner.profile import secret_values
from provisioner.runs import run_records
from provisioner.status import drift

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from packager.base.events import Emit

    from provisioner.base.options import Settings
    from provisioner.profile.document import Profile
    from provisioner.runs.run_records import Run


class Applied:
    """What came of an apply. changed: whether anything was done to the host."""

    __slots__ = ("changed", "generation", "packages", "profile", "run")

    def __init__(self, run: Run, changed: bool) -> None:
        self.run = run.number
        self.profile = str(run.record["profile"]["name"])
        self.generation = run.after
        self.packages = run.packages
        self.changed = changed


def is_held(root: str, run: Run, key: bytes, settings: Settings, emit: Emit) -> bool:
    """Whether the host is as `run`, the applied one, has left it, and what went into it is the same
    still. Raises PackagerError."""
    if run.outcome != run_records.DONE or is_activating(root):
        return False
    profile = run.profile()
    if not same_inputs(run, profile, key, emit):
        return False
    if profile.roles is None:
        with translated(root):
            if settings.host.roles() != run.roles:
                return False
    return not drift.differences(root, run, settings.host, quick=settings.quick)


def same_inputs(run: Run, profile: Profile, key: bytes, emit: Emit) -> bool:
    """Whether the facts and the secrets that went into the configuration of `run`, whose profile
    this is, are the same now. Raises as `secret_values.read`."""
    known = run.record["inputs"]
    facts: dict[str, Any] = {}
    if known["facts"]:
        from provisioner.facts.host_facts import for_templates

        found = for_templates()
        facts = {name: found.get(name) for name in known["facts"]}
    return bool(inputs(profile, secret_values.read(profile.secrets, emit), facts, key) == known)


def inputs(
    profile: Profile, secrets: Mapping[str, str], facts: Mapping[str, Any], key: bytes
) -> dict[str, object]:
    """What of the host went into the configuration, to be told whether it is still the same: the
    names of the facts, and a keyed digest of their values and of the secrets that are in files."""
    in_files = {n: secrets[n] for n, each in profile.secrets.items() if isinstance(each, dict)}
    return {"facts": sorted(facts), "digest": secret_values.digest(key, in_files, dict(facts))}
