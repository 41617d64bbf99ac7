"""`provisioner facts`: what this host is."""

from __future__ import annotations

import os

from packager.api import HostOptions
from packager.cli import output

from provisioner.cli.facts_table import show_facts
from provisioner.facts.host_facts import gather_facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

    from packager.api import HostOptionValues


def run(*, root: str, output_format: str, **host: Unpack[HostOptionValues]) -> int:
    """Write the inventory; raises OutputFailed."""
    facts = gather_facts(os.path.abspath(root), HostOptions(**host))  # noqa: PTH100
    if output_format == "json":
        output.json_line(facts)
    else:
        show_facts(facts)
    return 0
