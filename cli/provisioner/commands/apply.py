"""`provisioner apply`: the host is brought to what a profile says."""

from __future__ import annotations

import os

from packager.cli import output
from packager.cli.progress import Quiet, listening
from packager.host.options import HostOptions

from provisioner.base.options import Settings
from provisioner.cli.progress import listener
from provisioner.profile.loading import Given, given
from provisioner.runs import run_records
from provisioner.status.up_to_date import Applied, is_held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Unpack

    from packager.host.options import HostOptionValues

    from provisioner.runs.run_records import Writer


def run(
    *,
    root: str,
    sources: Sequence[str],
    sha256: str | None,
    upgrade: bool,
    quick: bool,
    config_path: str | None,
    connect_timeout: float,
    read_timeout: float,
    retries: int,
    at_once: int,
    output_format: str,
    **host: Unpack[HostOptionValues],
) -> int:
    """Apply a profile; raises PackagerError, OutputFailed, Stopped."""
    root = os.path.abspath(root)  # noqa: PTH100
    settings = Settings(
        quick=quick,
        upgrade=upgrade,
        config_path=config_path,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries=retries,
        at_once=at_once,
        host=HostOptions(**host),
    )

    def work(emit: Quiet) -> Applied:
        wanted = given(root, sources, sha256, settings, emit)
        with run_records.writing(root) as writer:
            if not sources:  # the one that holds now: another apply may have ended meanwhile
                wanted = given(root, sources, sha256, settings, emit)
            return _applied(root, wanted, writer, settings, emit)

    return carry_out(work, output_format)


def carry_out(work: Callable[[Quiet], Applied], output_format: str) -> int:
    """Do `work`, and tell what came of it; raises PackagerError, OutputFailed, Stopped."""
    with listening(listener(output_format)) as emit:
        done = work(emit)
        _report(done, output_format, emit)
    return 0


def _applied(root: str, wanted: Given, writer: Writer, settings: Settings, emit: Quiet) -> Applied:
    key = writer.key()
    held = run_records.applied(root)
    if (
        held is not None
        and held.record["profile"]["digest"] == wanted.digest(key)
        and not settings.upgrade
        and run_records.pending(root) is None
        and is_held(root, held, key, settings, emit)
    ):
        return Applied(held, changed=False)
    from provisioner.applying.apply import Wish, apply

    return apply(root, Wish(wanted.profile, wanted.digest(key)), writer, settings, emit)


def _report(done: Applied, output_format: str, emit: Quiet) -> None:
    if output_format == "ndjson":
        emit(
            "applied",
            profile=done.profile,
            run=done.run,
            generation=done.generation,
            changed=done.changed,
            packages=len(done.packages),
        )
    elif output_format == "json":
        output.json_line(
            {
                "profile": done.profile,
                "run": done.run,
                "generation": done.generation,
                "changed": done.changed,
                "packages": done.packages,
            }
        )
    elif done.changed:
        what = f"run {done.run}, generation {done.generation}"
        output.line(f"applied {done.profile} ({what})")
    else:
        output.line(f"the host is as {done.profile} says; nothing was changed")
