"""How long whole `packager` processes take, against the same interpreter doing nothing.

Every round starts each command once, one after the other, so that a machine's moods hit all of them
alike; a cell is the median of the rounds. The yardstick, `python -c pass`, is the interpreter that
the console script names in its first line, taken without the wrappers of version managers.
Usage: `python startup.py [--rounds N] [--packages N]`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

YARDSTICK = "python -c pass"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--packages", type=int, default=1000)
    arguments = parser.parse_args()
    script = str(Path(sys.executable).parent / "packager")
    with tempfile.TemporaryDirectory() as root:
        for number in range(arguments.packages):
            (Path(root) / "packages" / f"package-{number}--1.{number}").mkdir(parents=True)
        commands = {
            YARDSTICK: [sys.executable, "-c", "pass"],
            "packager list --format=json": [script, "list", "--format=json"],
            "packager list": [script, "list"],
            "python -m packager list --format=json": [
                *(sys.executable, "-m", "packager"),
                *("list", "--format=json"),
            ],
            "packager show (of an unknown id)": [script, "show", "unknown--1"],
            "packager add (of a missing file)": [script, "add", "unknown--1.tar"],
            "packager --help": [script, "--help"],
        }
        _report(commands, {**os.environ, "PACKAGER_ROOT": root}, arguments.rounds)


def _report(commands: dict[str, list[str]], environment: dict[str, str], rounds: int) -> None:
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, argv in commands.items():
            times[name].append(_seconds(argv, environment))
    yardstick = statistics.median(times[YARDSTICK])
    print(f"{'whole process':<38} {'median ms':>9} {'÷ ' + YARDSTICK:>16}")
    for name, each in times.items():
        median = statistics.median(each)
        print(f"{name:<38} {median * 1000:>9.1f} {median / yardstick:>16.2f}")


def _seconds(argv: list[str], environment: dict[str, str]) -> float:
    nowhere = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    start = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, environment, file_actions=nowhere)
    os.waitpid(pid, 0)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
