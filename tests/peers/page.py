"""Writes docs/peers.md from a report of the suite: `python -m tests.peers.page REPORT FILE`."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

from agentsim.suite.clauses import clauses

from tests.peers.applying import APPLYING

HEAD: Final = """# The contract and what else there is

Programs that Debian packages and that run a command for a request, held to the clauses of the
[command ABI](abi.md) that such a program can keep or break by itself: what it does with processes,
pipes, bodies, signals and clients. Written by `nox -s peers`, which runs the
[contract suite](suite.md) against those of them that are installed.

| host | what it is |
|---|---|
| simulator | `agentsim serve`, this project's |
| lighttpd | lighttpd 1.4 with mod_cgi, answers passed on as they come |
| webhook | webhook 2.8, the output in the response |
| naive | a host as one writes it in an afternoon, `tests/peers/naive_host.py` |

None of these knows a route table, so a small program stands between the peer and the command
(`tests/peers/gateway.py`): it finds the command line that a request stands for and becomes that
command, in the peer's process. What it decides is not in the table. A peer is as its package
has it, but for more clients and descriptors; what it has no setting for (an exit status, a
time-out, a limit) it fails, though nobody ever promised it there. A clause fails if one of its
tests fails: below the table stands how many, and with which words the first.
"""


def main() -> None:
    """Write the page."""
    hosts: dict[str, Any] = json.loads(Path(sys.argv[1]).read_bytes())["hosts"]
    Path(sys.argv[2]).write_text(page(hosts), encoding="utf-8")


def page(hosts: dict[str, Any]) -> str:
    """The page, for the columns of a report."""
    said = _sentences()
    lines = [HEAD, "| clause | | " + " | ".join(hosts) + " |", "|---|---|" + "---|" * len(hosts)]
    for clause in (each for each in clauses() if each in APPLYING):
        states = [_state(host[clause]) for host in hosts.values()]
        lines.append(f"| {clause} | {said[clause]} | " + " | ".join(states) + " |")
    counts = [
        Counter(host[clause]["state"] for clause in APPLYING)["passed"] for host in hosts.values()
    ]
    lines.append(f"| kept of {len(APPLYING)} | | " + " | ".join(map(str, counts)) + " |")
    for name, host in hosts.items():
        lines += ["", f"## {name}", "", *(_reasons(host) or ["Nothing failed."])]
    return "\n".join(lines) + "\n"


def _state(entry: dict[str, Any]) -> str:
    return {"passed": "yes", "failed": "**no**"}.get(entry["state"], str(entry["state"]))


def _reasons(host: dict[str, Any]) -> list[str]:
    lines = []
    for clause in (each for each in clauses() if each in APPLYING):
        tests = host[clause]["tests"]
        failed = [(test, each) for test, each in tests.items() if each["outcome"] == "failed"]
        if failed:
            test, first = failed[0]
            name = test.partition("::")[2].partition("[")[0].removeprefix("test_").replace("_", " ")
            why = first.get("why", "").replace("|", "\\|").replace("`", "'")
            lines.append(f"- {clause}, {len(failed)} of {len(tests)} tests; {name}: `{why}`")
    return lines


def _sentences() -> dict[str, str]:
    """The first sentence of each clause."""
    text = (Path(__file__).parents[2] / "docs" / "abi.md").read_text(encoding="utf-8")
    found = re.findall(r"^- \*\*(ABI-\w+-\d+)\*\* (.*?)(?=\n\n|\n- |\n#)", text, re.M | re.S)
    return {
        clause: re.split(r"(?<=[^.]\.) ", " ".join(words.split()))[0].replace("|", "\\|")
        for clause, words in found
    }


if __name__ == "__main__":
    main()
