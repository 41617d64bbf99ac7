"""Facts and secrets that were rendered into the configuration: are they the same now?"""

from __future__ import annotations

from provisioner.base import keyed_digest
from provisioner.profile.secret_values import read_secrets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from packager.base.events import Emit

    from provisioner.profile.model import Profile
    from provisioner.runs.documents import RunInputs
    from provisioner.runs.run import Run


def run_inputs(
    profile: Profile, secrets: Mapping[str, str], facts: Mapping[str, object], key: bytes
) -> RunInputs:
    """What a run records of its inputs. secrets: their texts by name. facts: those that were used.
    Pure."""
    in_files = {n: secrets[n] for n, each in profile.secrets.items() if isinstance(each, dict)}
    return {
        "facts": sorted(facts),
        "digest": keyed_digest.of_values(key, in_files, dict(facts)),
    }


def are_inputs_unchanged(run: Run, profile: Profile, key: bytes, emit: Emit) -> bool:
    """Whether the facts and secrets that went into the configuration of `run`, whose profile this
    is, have the same values now. Raises as `read_secrets`."""
    recorded = run.record["inputs"]
    facts: dict[str, object] = {}
    if recorded["facts"]:
        from provisioner.facts import host_facts

        current = host_facts.template_facts()
        facts = {name: current.get(name) for name in recorded["facts"]}
    return run_inputs(profile, read_secrets(profile.secrets, emit), facts, key) == recorded
