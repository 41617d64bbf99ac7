"""`provisioner completion`: the script that click has for each shell."""

from __future__ import annotations

from packager import output, people

from provisioner.commands import PROVISIONER


def run(*, root: str, shell: str) -> int:  # noqa: ARG001 - every command takes a root
    """Print the script for `shell`; raises OutputFailed."""
    output.write(people.completion_script(PROVISIONER, shell).encode())
    return 0
