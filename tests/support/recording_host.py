"""A host of a test's own: a store, a place for units, and recording tools on the PATH."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from packager.host import applied_state, apply
from packager.host.context import Context
from packager.host.options import HostOptions
from packager.package import declarations
from packager.package.manifest import Record

if TYPE_CHECKING:
    from packager.host.documents import AppliedState, HostPlan
    from packager.host.options import HostOptionValues
    from packager.package.declarations import Declarations

# Writes its name and arguments to the log as one JSON line, says what is prepared for the call, and
# ends as prepared: `answers/systemctl-start` holds "<status>\n<output>".
TOOL = """\
import json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
name = os.path.basename(sys.argv[0])
with open(os.path.join(here, "log"), "a") as log:
    log.write(json.dumps([name, *sys.argv[1:]]) + "\\n")
verb = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
for answer in (f"{name}-{verb}", name):
    path = os.path.join(here, "answers", answer)
    if os.path.exists(path):
        status, _, said = open(path).read().partition("\\n")
        sys.stdout.write(said)
        sys.exit(int(status))
"""


class Tools:
    """Recording tools in a directory, to be put first on the PATH."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "answers").mkdir(parents=True)
        for name in ("systemctl", "journalctl", "sysctl", "useradd", "userdel"):
            tool = directory / name
            tool.write_text(f"#!{sys.executable} -IS\n{TOOL}")
            tool.chmod(0o755)

    def answer(self, call: str, status: int, said: str = "") -> None:
        (self.directory / "answers" / call).write_text(f"{status}\n{said}")

    def forget_answers(self) -> None:
        for each in (self.directory / "answers").iterdir():
            each.unlink()

    def calls(self, *, asking: bool = False) -> list[list[str]]:
        """What was called since the last time; without `systemctl show` unless `asking`."""
        log = self.directory / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        calls: list[list[str]] = [json.loads(line) for line in lines]
        return [call for call in calls if asking or call[:2] != ["systemctl", "show"]]

    def path(self) -> str:
        return f"{self.directory}:{os.environ['PATH']}"


class Host:
    """A store with packages made by hand, activated through `host.apply` alone."""

    def __init__(self, top: Path, **options: Unpack[HostOptionValues]) -> None:
        self.root = top / "store"
        self.units = top / "system"
        self.state = top / "lib"
        self.options: HostOptionValues = {
            "units_dir": str(self.units),
            "state_dir": str(self.state),
            "config_dir": str(top / "etc"),
            **options,
        }
        for directory in (self.root / "packages", self.units):
            directory.mkdir(parents=True)
        self.events: list[dict[str, object]] = []

    def package(
        self, package_id: str, info: Mapping[str, object] | None = None, **files: str
    ) -> Declarations:
        """Make a package and return its declarations; `units__web_service="…"` is the file
        units/web.service, in which only the last _ stands for a dot."""
        tree = self.root / "packages" / package_id
        tree.mkdir()
        for name, content in files.items():
            directory, _, file = name.rpartition("__")
            stem, _, suffix = file.rpartition("_")
            directory = directory.replace("wants", "dcos.target.wants")
            (tree / directory).mkdir(parents=True, exist_ok=True)
            (tree / directory / f"{stem.replace('_', '-')}.{suffix}").write_text(content)
        return declarations.read_declarations(package_id, str(tree), record(package_id, info))

    def context(self, **options: Unpack[HostOptionValues]) -> Context:
        values: HostOptionValues = {**self.options, **options}
        return Context(str(self.root), 1, None, HostOptions(**values))

    def applied(self) -> AppliedState:
        """What host.json says now."""
        return applied_state.load(str(self.root))

    def emit(self, event: str, /, **fields: object) -> None:
        self.events.append({"event": event, **fields})

    def plan(
        self,
        packages: Mapping[str, Declarations],
        roles: Sequence[str] = (),
        **options: Unpack[HostOptionValues],
    ) -> HostPlan:
        return apply.plan(packages, roles, self.context(**options), self.applied())

    def prepare(self, plan: HostPlan) -> None:
        apply.prepare(plan, self.context(), self.applied(), self.emit)

    def settle(self, plan: HostPlan) -> None:
        apply.settle(plan, self.context(), self.applied(), self.emit)

    def activate(
        self,
        packages: Mapping[str, Declarations],
        roles: Sequence[str] = (),
        **options: Unpack[HostOptionValues],
    ) -> HostPlan:
        """Plan and carry out, with one state from the first step to the last; the plan."""
        context, state = self.context(**options), self.applied()
        plan = apply.plan(packages, roles, context, state)
        apply.prepare(plan, context, state, self.emit)
        apply.settle(plan, context, state, self.emit)
        assert state == self.applied()
        return plan

    def placed(self) -> dict[str, str]:
        """Unit files in place and their contents."""
        return {each.name: each.read_text() for each in self.units.iterdir() if each.is_file()}

    def wants(self) -> dict[str, str]:
        """The target's links."""
        directory = self.units / "dcos.target.wants"
        return {each.name: str(each.readlink()) for each in directory.iterdir()}


def record(package_id: str, info: Mapping[str, object] | None) -> Record:
    return Record(
        id=package_id,
        archive_sha256="",
        archive_size=0,
        tree="",
        files=0,
        size=0,
        pkginfo=None if info is None else dict(info),
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def unchanged(path: Path) -> tuple[int, int]:
    """What differs after any change to a file or its owner."""
    status = path.lstat()
    return status.st_ino, status.st_ctime_ns
