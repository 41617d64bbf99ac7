"""Packager, killed at every call that changes the disk while it installs or exchanges itself: there
is always one that works, and it goes on.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.bundled_host import BundledHost
from tests.support.bundles import NAME, Bundles, run
from tests.support.kill_points import Point, counting, doing, points, tell, why_no_strace

OLD, NEW = f"{NAME}--1.0", f"{NAME}--2.0"
SAMPLE = 2  # points of each scene in an ordinary run
MOST = 150  # of a scene in a long one: an installation writes two thousand files


class Scene:
    """A host, the command that is killed, and what is active before and after it."""

    before: str | None = "1.0"
    after = "2.0"
    code = 0

    def __init__(self, bundles: Bundles, top: Path) -> None:
        self.host = BundledHost(top)
        self._log = top / "log"
        self._model = top / "model"
        self.prepare(bundles)
        if self.host.root.exists():
            self.host.root.rename(self._model)
        self.fresh()
        done = self.killed(counting(self._log))
        assert done.returncode == self.code, done.stderr.decode()
        log = "".join(f"1 {line}\n" for line in self._log.read_text().splitlines())
        self.points = [each for each in points(log) if each.changes_something]

    def prepare(self, bundles: Bundles) -> None:
        """Make the host as it is before."""
        self.host.installed(bundles.version("1.0"))
        self.host.ok("packager", "add", bundles.version("2.0"))

    def command(self) -> list[str | Path]:
        """What is killed."""
        return [self.host.program("packager"), "swap", "--settle=0.001", NEW]

    def fresh(self) -> None:
        """The store as it was; its files are links, as no file of a store is ever written to."""
        shutil.rmtree(self.host.root, ignore_errors=True)
        shutil.rmtree(self.host.units, ignore_errors=True)
        if self._model.exists():
            subprocess.run(["cp", "-al", self._model, self.host.root], check=True)

    def killed(self, tracer: list[str]) -> subprocess.CompletedProcess[bytes]:
        """Run the command with this tracer; it sees no process but the command's own."""
        alone = [word for word in tracer if word != "-f"]
        return run([*alone, *self.command()], self.host.environment)

    def wrong(self, point: Point) -> Iterator[str]:
        """What is wrong after a kill there, in words."""
        self.fresh()
        self.killed(doing("signal=KILL", point, self._log))
        program = self.host.program("packager")
        if program.exists():
            done = run([program, "--version"], self.host.environment)
            version = done.stdout.decode().split()[-1:]
            if version not in ([self.before], [self.after]):
                yield f"{point}: there is no packager: {done.stderr.decode()}"
                return
        elif self.before is not None:
            yield f"{point}: there is no packager"
            return
        done = run(self.command(), self.host.environment)
        if done.returncode != self.code:
            yield f"{point}: the next one ended with {done.returncode}: {done.stderr.decode()}"
        elif self.host.version != self.after:
            yield f"{point}: the next one left {self.host.version}"
        elif self.left():
            yield f"{point}: work in progress was left"

    def left(self) -> list[Path]:
        """The work in progress that the next command has left."""
        return list((self.host.root / "staging").iterdir())


class Swap(Scene):
    """By hand."""


class Apply(Scene):
    """By a profile."""

    version = "2.0"

    def prepare(self, bundles: Bundles) -> None:
        super().prepare(bundles)
        for version in ("1.0", "2.0"):
            document = {"profile": 1, "name": "host", "packages": [f"{NAME}--{version}"]}
            (self.host.top / version).write_text(json.dumps(document))
        (self.host.top / "etc/config.toml").write_text("")
        self.host.ok("provisioner", "apply", "--settle=0.001", self.host.top / "1.0")

    def command(self) -> list[str | Path]:
        program = self.host.program("provisioner")
        return [program, "apply", "--settle=0.001", self.host.top / "2.0"]

    def left(self) -> list[Path]:
        # One that finds nothing to do changes nothing, this neither: the next one that writes does.
        self.host.ok("packager", "recover")
        return super().left()


class Install(Scene):
    """For the first time."""

    before = None
    after = "1.0"

    def prepare(self, bundles: Bundles) -> None:
        self._source = self.host.unpack(bundles.version("1.0"))

    def command(self) -> list[str | Path]:
        return [self._source / "install", "--settle=0.001"]


SCENES: list[Callable[[Bundles, Path], Scene]] = [Swap, Apply, Install]


@pytest.mark.parametrize("make", SCENES)
@pytest.mark.parametrize(
    "most", [SAMPLE, pytest.param(MOST, marks=pytest.mark.long)], ids=["some", "all"]
)
def test_there_is_always_a_packager(
    bundles: Bundles,
    memory: Path,
    make: Callable[[Bundles, Path], Scene],
    most: int,
    record_property: Callable[[str, object], None],
) -> None:
    if why_no_strace():
        pytest.skip(why_no_strace())
    scene = make(bundles, memory)
    step = max(1, len(scene.points) // most)
    chosen = scene.points[step // 2 :: step]
    lost = [each for point in chosen for each in scene.wrong(point)]
    name = f"{type(scene).__name__} of {len(scene.points)} points"
    tell("kills", name, len(chosen), lost, record_property)
