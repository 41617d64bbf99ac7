"""`provisioner rollback`: back to the profile of an earlier run."""

from __future__ import annotations

import os

from packager.base.errors import NotFound, UsageError
from packager.host.options import HostOptions

from provisioner.applying.apply import Wish, apply
from provisioner.base.options import Settings
from provisioner.commands.apply import carry_out
from provisioner.runs import run_records
from provisioner.status.up_to_date import Applied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from packager.cli.progress import Quiet
    from packager.host.options import HostOptionValues

    from provisioner.runs.run_records import Run


def run(
    *,
    root: str,
    numbers: Sequence[int],
    quick: bool,
    config_path: str | None,
    connect_timeout: float,
    read_timeout: float,
    retries: int,
    at_once: int,
    output_format: str,
    **host: Unpack[HostOptionValues],
) -> int:
    """Go back; raises PackagerError, OutputFailed, Stopped."""
    root = os.path.abspath(root)  # noqa: PTH100
    if len(numbers) > 1:
        raise UsageError("rollback goes back to one run; give one number")
    settings = Settings(
        quick=quick,
        config_path=config_path,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries=retries,
        at_once=at_once,
        host=HostOptions(**host),
    )

    def work(emit: Quiet) -> Applied:
        _target(root, numbers)  # before the lock: what is wrong makes nothing
        with run_records.writing(root) as writer:
            target = _target(root, numbers)  # another one may have ended meanwhile
            wish = Wish(
                target.profile(),
                str(target.record["profile"]["digest"]),
                command="rollback",
                only=[each for each in target.packages if each != target.configuration],
                previous=target.record["previous"],
            )
            return apply(root, wish, writer, settings, emit)

    return carry_out(work, output_format)


def _target(root: str, numbers: Sequence[int]) -> Run:
    if numbers:
        return run_records.read(root, numbers[0])
    applied = run_records.applied(root)
    if applied is None:
        raise NotFound(f"no profile was applied to {root} yet, so there is nothing to go back from")
    if applied.record["previous"] is None:
        raise NotFound(f"run {applied.number} has no other profile before it")
    return run_records.read(root, int(applied.record["previous"]))
