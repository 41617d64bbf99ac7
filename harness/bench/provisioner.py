"""Looking at a host that is held to a profile, against the same interpreter doing nothing.

Whole processes, on a host with many packages of many small files and a rendered configuration:
`status` that reads every file and one that reads only what was touched, `apply` of the profile that
is applied already, and `facts`. Every round starts each command once, one after the other; a cell
is the median of the rounds. The last row has one file changed in one package.
Usage: `python provisioner.py [--packages N] [--files N] [--rounds N] [--directory DIR]`.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

PROVISIONER = Path(sys.executable).with_name("provisioner")
PACKAGER = Path(sys.executable).with_name("packager")
YARDSTICK = "python -c pass"
TOPS = ("bin", "lib", "etc", "include")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=int, default=100)
    parser.add_argument("--files", type=int, default=100, help="of each package")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--directory", help="where to work (default: the temporary directory)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory, prefix="provisioner-bench-") as name:
        measure(Path(name), arguments)


def measure(top: Path, arguments: argparse.Namespace) -> None:
    """Make the host, hold it to the profile, and print the table."""
    environment = host(top)
    ids = [f"package-{number}--1" for number in range(arguments.packages)]
    for package_id in ids:
        add(package_id, arguments.files, environment)
    files = [{"path": f"etc/made-{n}.conf", "template": "{{ values.n }}\n"} for n in range(10)]
    made = {"values": {"n": 1}, "files": files}
    profile = top / "profile.json"
    profile.write_text(
        json.dumps({"profile": 1, "name": "bench", "packages": ids, "configuration": made})
    )
    subprocess.run([PROVISIONER, "apply", profile], env=environment, check=True)
    commands = {
        YARDSTICK: [sys.executable, "-c", "pass"],
        "status": [str(PROVISIONER), "status", "--format=json"],
        "status --quick": [str(PROVISIONER), "status", "--quick", "--format=json"],
        "apply, nothing to do": [str(PROVISIONER), "apply", "--format=json", str(profile)],
        "apply --quick": [str(PROVISIONER), "apply", "--quick", "--format=json", str(profile)],
        "facts": [str(PROVISIONER), "facts", "--format=json"],
    }
    times = rounds(commands, environment, arguments.rounds)
    with (top / "store/packages" / ids[0] / "bin/package-0-0").open("a") as file:
        file.write("changed")
    drift = {"status --quick, one change": commands["status --quick"]}
    times |= rounds(drift, environment, arguments.rounds)
    yardstick = statistics.median(times[YARDSTICK])
    title = f"{arguments.packages} packages of {arguments.files} files"
    print(f"{title:<32} {'median ms':>9} {'÷ ' + YARDSTICK:>16}")
    for name, each in times.items():
        median = statistics.median(each)
        print(f"{name:<32} {median * 1000:>9.1f} {median / yardstick:>16.2f}")


def host(top: Path) -> dict[str, str]:
    """The environment of a host of its own."""
    for each in ("system", "lib", "etc"):
        (top / each).mkdir()
    (top / "etc/config.toml").touch()
    return {
        **os.environ,
        "PACKAGER_ROOT": str(top / "store"),
        "PACKAGER_UNITS_DIR": str(top / "system"),
        "PACKAGER_STATE_DIR": str(top / "lib"),
        "PACKAGER_CONFIG_DIR": str(top / "etc"),
        "PACKAGER_CONFIG": str(top / "etc/config.toml"),
    }


def add(package_id: str, files: int, environment: dict[str, str]) -> None:
    """Add one package whose files are no other's."""
    buffer = io.BytesIO()
    name = package_id.partition("--")[0]
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number in range(files):
            top = TOPS[number % len(TOPS)]
            content = f"{package_id} {number}\n".encode() * 20
            member = tarfile.TarInfo(f"{top}/{name}-{number}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    command = [PACKAGER, "add", "--id", package_id, "-"]
    subprocess.run(
        command, input=buffer.getvalue(), env=environment, check=True, stdout=subprocess.DEVNULL
    )


def rounds(
    commands: dict[str, list[str]], environment: dict[str, str], count: int
) -> dict[str, list[float]]:
    """Seconds of each command, one figure a round."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    nowhere = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    for _ in range(count):
        for name, argv in commands.items():
            start = time.perf_counter()
            pid = os.posix_spawn(argv[0], argv, environment, file_actions=nowhere)
            os.waitpid(pid, 0)
            times[name].append(time.perf_counter() - start)
    return times


if __name__ == "__main__":
    main()
