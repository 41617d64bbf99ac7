"""Builds the images that can be built here, and proves each: what `nox -s docker` does.

Images first (docs/docker.md), then the contract suite against a host in each of them, the clauses
of masters and rollouts against a real master, then the tests of containers; at the end a table of
hosts and clauses, and what was skipped, and why.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from os import EX_UNAVAILABLE
from pathlib import Path
from typing import TYPE_CHECKING, Final

import base_image
from agentsim.containers import build_arguments, engine

if TYPE_CHECKING:
    from docker import DockerClient

TREE: Final = Path(__file__).resolve().parents[2]
FAULTS: Final = TREE / "tests/containers/faults"
MASTERS: Final = (
    *sorted((TREE / "tests/agentsim/cluster").glob("test_master_*.py")),
    TREE / "tests/rollout/controller/test_real_master.py",
)
REPORT: Final = TREE / "build" / "docker" / "report"
PUBLISHED_BASE: Final = "debian:bookworm-slim"
#: Each target of the Dockerfile, and the kind of host that its image is put under test as.
TARGETS: Final = {"simulator": "docker-simulator", "systemd": None, "agent": "docker"}
#: How many times hosts are killed in the middle of their work, unless the environment says it.
KILLS: Final = 200
#: pytest's exit status when no test was selected.
NO_TESTS: Final = 5


@dataclass(frozen=True)
class Outcome:
    """What became of a target: its image's size and the build's seconds, or why there is none."""

    target: str
    megabytes: float = 0
    seconds: float = 0
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"{self.target:<10} not built: {self.reason}"
        return f"{self.target:<10} {self.megabytes:>5.0f} MB, built in {self.seconds:.0f} s"


def base(client: DockerClient, named: str | None) -> str:
    """The name of a base image that the engine has: made here, fetched, or made now.

    Raises:
        base_image.CannotMake: there is none, and none can be made.
    """
    from docker.errors import APIError

    for name in [named] if named else [base_image.IMAGE, PUBLISHED_BASE]:
        if _has(client, name):
            return name
    try:
        client.images.pull(named or PUBLISHED_BASE)
    except APIError as error:
        if named:
            raise base_image.CannotMake(f"no base image {named}: {error.explanation}") from None
        print(f"no registry gives {PUBLISHED_BASE}: making {base_image.IMAGE} from packages")
        sources = base_image.own_sources()
        base_image.make(base_image.IMAGE, sources, base_image.PACKAGES)
        return base_image.IMAGE
    return named or PUBLISHED_BASE


def _has(client: DockerClient, name: str) -> bool:
    from agentsim.containers import images

    try:
        images.find(client, name)
    except images.NoImage:
        return False
    return True


def build(client: DockerClient, options: argparse.Namespace) -> list[Outcome]:
    """Build each target, as far as it can be built here."""
    from agentsim.containers import images

    try:
        given = build_arguments.of_this_machine(options.ca_file)
        given["BASE_IMAGE"] = base(client, options.base_image)
    except (base_image.CannotMake, build_arguments.TooLong, OSError) as reason:
        return [Outcome(target, reason=str(reason)) for target in TARGETS]
    given["MESOS_IMAGE"] = options.mesos_image
    given |= dict(argument.partition("=")[::2] for argument in options.build_arg)
    outcomes = []
    for target in TARGETS:
        if target == "agent" and not _has(client, options.mesos_image):
            lack = f"the engine has no image {options.mesos_image} with Mesos: name one"
            outcomes.append(Outcome(target, reason=f"{lack} (--mesos-image)"))
            continue
        print(f"building {images.name(target)} …", flush=True)
        started = time.monotonic()
        try:
            image = images.build(client, TREE, target, given, options.network, _quiet)
        except images.BuildFailed as failure:
            outcomes.append(Outcome(target, reason=str(failure)))
        else:
            size = float(image.attrs["Size"]) / 1e6
            outcomes.append(Outcome(target, size, time.monotonic() - started))
    return outcomes


def _quiet(line: str) -> None:
    if line.startswith("Step "):
        print(f"  {line}", flush=True)


def prove(outcomes: Sequence[Outcome], words: Sequence[str]) -> int:
    """Run the suite against the image of each target, then the tests of containers.

    Args:
        outcomes: of the builds.
        words: options for each pytest.

    Returns:
        The first exit status of a pytest that was not 0.
    """
    for suffix in (".json", ".md"):
        REPORT.with_suffix(suffix).unlink(missing_ok=True)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    statuses = []
    for outcome in outcomes:
        kind = TARGETS[outcome.target]
        if kind is None or outcome.reason:
            continue
        # Programs start slowly from the storage of some engines.
        told = [f"--abi-host={kind}", f"--abi-report={REPORT}", "--abi-deadline=120"]
        suite = str(TREE / "harness/agentsim/suite")
        statuses.append(_pytest(suite, "-n2", *told, *words))
        if outcome.target == "agent":
            statuses.append(_pytest(*map(str, MASTERS), "--abi-master=docker", *words))
    statuses.append(_pytest(str(TREE / "tests/containers"), f"--ignore={FAULTS}", *words))
    os.environ.setdefault("CONTAINER_KILLS", str(KILLS))
    statuses.append(_pytest(str(FAULTS), "-n2", *words))
    return next(filter(None, statuses), 0)


def _pytest(*words: str) -> int:
    print(f"pytest {' '.join(words)}", flush=True)
    status = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=TREE, check=False
    ).returncode
    # With -k, or a name, some of the runs may have nothing to do.
    return 0 if status == NO_TESTS else status


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="nox -s docker --",
        description="Builds the project's images and proves the hosts in them.",
        epilog="Example: nox -s docker -- --mesos-image=mesos:1.12. What follows a further -- goes"
        " to pytest: nox -s docker -- -- -k stream",
    )
    parser.add_argument("--base-image", help="in place of one that is found, fetched or made")
    parser.add_argument(
        "--mesos-image",
        default="mesos:1.12",
        help="a Mesos with its headers, for the agent (default: %(default)s)",
    )
    parser.add_argument(
        "--ca-file",
        action="append",
        default=[],
        type=Path,
        help="certificates (PEM) to be trusted during builds; may be repeated (default: those in"
        f" {build_arguments.OWN_AUTHORITIES})",
    )
    parser.add_argument(
        "--build-arg", action="append", default=[], metavar="NAME=VALUE", help="may be repeated"
    )
    parser.add_argument(
        "--network",
        help="of the builds; `host` where a proxy listens at this machine's 127.0.0.1",
    )
    parser.add_argument("--build-only", action="store_true", help="prove nothing")
    options, words = parser.parse_known_args()
    try:
        client = engine.connect()
    except engine.NoEngine as reason:
        print(f"docker: {reason}", file=sys.stderr)
        sys.exit(EX_UNAVAILABLE)
    for lack in engine.shortcomings(client.info()):
        print(f"docker: {lack}", file=sys.stderr)
    outcomes = build(client, options)
    status = 0
    if not options.build_only:
        status = prove(outcomes, [word for word in words if word != "--"])
        if REPORT.with_suffix(".md").exists():
            print(REPORT.with_suffix(".md").read_text(encoding="utf-8"))
    for outcome in outcomes:
        print(outcome)
    if all(outcome.reason for outcome in outcomes):
        status = status or EX_UNAVAILABLE
    sys.exit(status)


if __name__ == "__main__":
    main()
