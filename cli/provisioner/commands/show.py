"""`provisioner show`: a profile as it is applied, with all that it includes, and no secret."""

from __future__ import annotations

import json
import os

from packager.base.byte_output import encode
from packager.cli import output

from provisioner.base.command_options import CommandOptions
from provisioner.cli.progress import listener
from provisioner.desired.requested_profile import load_requested_profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from provisioner.base.command_options import CommandOptionValues
    from provisioner.profile.model import Profile

REDACTED = "…"


def run(
    *,
    root: str,
    sources: Sequence[str],
    sha256: str | None,
    **values: Unpack[CommandOptionValues],
) -> int:
    """Write the document; raises PackagerError, OutputFailed."""
    root = os.path.abspath(root)  # noqa: PTH100
    options = CommandOptions(**values)
    with listener("table") as emit:
        profile = load_requested_profile(root, sources, sha256, options, emit).profile
    shown = json.dumps(_without_secrets(profile), indent=2, ensure_ascii=False)
    output.write(encode(shown + "\n"))
    return 0


def _without_secrets(profile: Profile) -> dict[str, object]:
    """The document; in place of secrets that stand in it there is REDACTED."""
    document: dict[str, object] = {**profile.document}
    if profile.secrets:
        shown = {n: REDACTED if isinstance(s, str) else s for n, s in profile.secrets.items()}
        document["configuration"] = {**profile.document["configuration"], "secrets": shown}
    return document
