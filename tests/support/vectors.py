"""Reads fixtures/vectors: the cases that every implementation of the deciding core must satisfy.

The format is described in fixtures/vectors/README.md.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from agentsim.core.outcome import Outcome
from agentsim.core.route_table import Table, parse

DIRECTORY = Path(__file__).parents[2] / "fixtures" / "vectors"

Case = dict[str, Any]


def load(subject: str) -> dict[str, Any]:
    """The whole file of one subject."""
    content: dict[str, Any] = json.loads((DIRECTORY / f"{subject}.json").read_bytes())
    names = [case["name"] for case in content["cases"]]
    assert len(names) == len(set(names)), f"two cases of {subject}.json have one name"
    return content


def cases(subject: str) -> list[Case]:
    return list(load(subject)["cases"])


def tables(subject: str) -> dict[str, Table]:
    """The tables that the cases of a file share, parsed."""
    return {
        name: parse(json.dumps(value).encode(), f"{subject}.json#{name}")
        for name, value in load(subject)["tables"].items()
    }


def octets(value: Any) -> bytes:
    """Bytes in one of their written forms: text, percent-encoded, repeated, joined."""
    match value:
        case str():
            return value.encode()
        case {"percent": str(text)}:
            return unquote_to_bytes(text)
        case {"repeat": part, "times": int(times)}:
            return octets(part) * times
        case {"concat": list(parts)}:
            return b"".join(map(octets, parts))
    raise AssertionError(f"no bytes: {value!r}")


def outcome(value: Case) -> Outcome:
    return Outcome(
        request_id=value.get("request_id", "r-1"),
        reason=value["reason"],
        exit_code=value.get("exit_code"),
        signal=value.get("signal"),
        seconds=value.get("seconds", 0.5),
        timeout=value.get("timeout", 60),
        stderr=octets(value.get("stderr", "")),
        detail=value.get("detail", ""),
    )


def patched(document: Any, operations: list[dict[str, Any]]) -> Any:
    """`document` after `add` and `remove` operations of a JSON Patch (RFC 6902)."""
    result = copy.deepcopy(document)
    for operation in operations:
        *parents, last = [
            token.replace("~1", "/").replace("~0", "~")
            for token in operation["path"].split("/")[1:]
        ]
        target = result
        for token in parents:
            target = target[int(token)] if isinstance(target, list) else target[token]
        if operation["op"] == "remove":
            del target[int(last) if isinstance(target, list) else last]
        elif isinstance(target, list):
            target.insert(len(target) if last == "-" else int(last), operation["value"])
        else:
            target[last] = operation["value"]
    return result
