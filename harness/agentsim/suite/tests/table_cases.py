"""Route tables that a host must take or refuse, and the places of their mistakes."""

from __future__ import annotations

import copy
import json
from typing import Any

Table = dict[str, Any]

GOOD: Table = {
    "abi": 1,
    "process": "demo",
    "command": ["demo"],
    "environment": {"A": "1"},
    "defaults": {"timeout": 30},
    "routes": [
        {"path": "/list", "method": "GET", "argv": ["list"]},
        {
            "path": "/add",
            "method": "POST",
            "argv": ["add", "--size={size}", "{force}", "--", "{url}"],
            "parameters": {
                "url": {"type": "string", "required": True},
                "size": {"type": "integer"},
                "force": {"type": "boolean", "flag": "--force"},
            },
        },
    ],
}
MISSING = object()


def changed(*changes: tuple[str, object]) -> Table:
    """The good table with values put at JSON pointers; MISSING takes one away."""
    table = copy.deepcopy(GOOD)
    for pointer, value in changes:
        *way, last = [int(part) if part.isdigit() else part for part in pointer.split("/")[1:]]
        inner: Any = table
        for part in way:
            inner = inner[part]
        if value is MISSING:
            del inner[last]
        else:
            inner[last] = value
    return table


# clause, what is changed, where the mistakes are
MISTAKES: list[tuple[str, Any, list[str]]] = [
    (
        "ABI-TABLE-2",
        [
            ("/routes/1/method", "FETCH"),
            ("/process", "a b"),
            ("/command", []),
            ("/routes/0/argv/0", "{x}y"),
        ],
        ["/command", "/process", "/routes/0/argv/0", "/routes/1/method"],
    ),
    *(
        ("ABI-TABLE-3", [("/abi", version), ("/routes", "other"), ("/new", 1)], ["/abi"])
        for version in (0, 2, "1", None, 1.5, True)
    ),
    ("ABI-TABLE-4", [("/tmeout", 1)], ["/tmeout"]),
    ("ABI-TABLE-4", [("/routes/0/tmeout", 1)], ["/routes/0/tmeout"]),
    ("ABI-TABLE-4", [("/routes/0/response", {"typ": "x/y"})], ["/routes/0/response/typ"]),
    (
        "ABI-TABLE-4",
        [("/routes/1/parameters/url/maxlength", 1)],
        ["/routes/1/parameters/url/maxlength"],
    ),
    ("ABI-TABLE-8", [("/process", "")], ["/process"]),
    ("ABI-TABLE-8", [("/process", "x" * 65)], ["/process"]),
    ("ABI-TABLE-8", [("/process", "a/b")], ["/process"]),
    ("ABI-TABLE-8", [("/process", "a.b")], ["/process"]),
    ("ABI-TABLE-8", [("/process", "state")], ["/process"]),
    ("ABI-TABLE-8", [("/process", "metrics")], ["/process"]),
    ("ABI-TABLE-8", [("/process", "help")], ["/process"]),
    ("ABI-TABLE-9", [("/command/0", "a/b")], ["/command/0"]),
    ("ABI-TABLE-9", [("/command/0", "./a")], ["/command/0"]),
    ("ABI-TABLE-9", [("/command/0", "")], ["/command/0"]),
    ("ABI-TABLE-11", [("/environment", {"ABI_X": "1"})], ["/environment/ABI_X"]),
    ("ABI-TABLE-11", [("/environment", {"1X": "1"})], ["/environment/1X"]),
    ("ABI-TABLE-11", [("/environment", {"A-B": "1"})], ["/environment/A-B"]),
    ("ABI-TABLE-12", [("/command/0", "a\0b")], ["/command/0"]),
    ("ABI-TABLE-12", [("/environment/A", "a\0b")], ["/environment/A"]),
    ("ABI-TABLE-12", [("/routes/0/argv/0", "a\0b")], ["/routes/0/argv/0"]),
    (
        "ABI-TABLE-12",
        [("/routes/0/working_directory", "/a\0b")],
        ["/routes/0/working_directory"],
    ),
    *(
        ("ABI-TABLE-13", [("/routes/0/path", path)], ["/routes/0/path"])
        for path in (
            "",
            "/",
            "list",
            "/a/",
            "/a//b",
            "/a/..",
            "/..a",
            "/a/./b",
            "/a b",
            "/é",
            "/%41",
        )
    ),
    ("ABI-TABLE-14", [("/routes/0/method", "FETCH")], ["/routes/0/method"]),
    ("ABI-TABLE-14", [("/routes/0/method", "get")], ["/routes/0/method"]),
    ("ABI-TABLE-14", [("/routes/0/method", "CONNECT")], ["/routes/0/method"]),
    ("ABI-TABLE-14", [("/routes/0/method", [])], ["/routes/0/method"]),
    ("ABI-TABLE-14", [("/routes/0/method", ["GET", "GET"])], ["/routes/0/method/1"]),
    (
        "ABI-TABLE-16",
        [("/routes/1", {"path": "/list", "method": "PUT", "argv": [], "realm": "r"})],
        ["/routes/1"],
    ),
    *(
        (
            "ABI-TABLE-17",
            [("/routes/1/argv/1", element)],
            ["/routes/1/argv/1", "/routes/1/parameters/size"],
        )
        for element in (
            "x{size}",
            "{size}x",
            "-s={size}",
            "--S={size}",
            "--s{size}",
            "{}",
            "{",
            "}",
        )
    ),
    (
        "ABI-TABLE-18",
        [("/routes/1/argv", ["{url}", "--size={size}", "{force}"])],
        ["/routes/1/argv/0"],
    ),
    ("ABI-TABLE-18", [("/routes/1/argv/1", "{size}")], ["/routes/1/argv/1"]),
    (
        "ABI-TABLE-19",
        [("/routes/1/argv", ["--size={size}", "--", "{force}", "{url}"])],
        ["/routes/1/argv/2"],
    ),
    (
        "ABI-TABLE-19",
        [("/routes/1/argv", ["{force}", "--", "--size={size}", "{url}"])],
        ["/routes/1/argv/2"],
    ),
    ("ABI-TABLE-20", [("/routes/1/argv/2", "--force={force}")], ["/routes/1/argv/2"]),
    ("ABI-TABLE-21", [("/routes/0/argv/0", "--x={x}")], ["/routes/0/argv/0"]),
    ("ABI-TABLE-21", [("/routes/1/argv/1", "x")], ["/routes/1/parameters/size"]),
    *(
        (
            "ABI-TABLE-22",
            [
                ("/routes/0/parameters", {name: {"type": "integer"}}),
                ("/routes/0/argv", [f"--x={{{name}}}"]),
            ],
            [f"/routes/0/parameters/{name}"],
        )
        for name in ("timeout", "1x", "_x", "x" * 65)
    ),
    (
        "ABI-TABLE-23",
        [("/routes/1/parameters/url/in", "path"), ("/routes/1/parameters/size/in", "path")],
        ["/routes/1/parameters/url/in"],
    ),
    (
        "ABI-TABLE-24",
        [("/routes/1/parameters/force/flag", MISSING)],
        ["/routes/1/parameters/force"],
    ),
    (
        "ABI-TABLE-24",
        [("/routes/1/parameters/force/flag", "x")],
        ["/routes/1/parameters/force/flag"],
    ),
    (
        "ABI-TABLE-24",
        [("/routes/1/parameters/url", {"type": "enum"})],
        ["/routes/1/parameters/url"],
    ),
    (
        "ABI-TABLE-24",
        [("/routes/1/parameters/url", {"type": "enum", "values": ["a", "a"]})],
        ["/routes/1/parameters/url/values/1"],
    ),
    (
        "ABI-TABLE-24",
        [("/routes/1/parameters/url", {"type": "list", "items": {"type": "boolean"}})],
        ["/routes/1/parameters/url/items/type"],
    ),
    (
        "ABI-TABLE-24",
        [
            (
                "/routes/1/parameters/url",
                {"type": "list", "items": {"type": "enum", "values": ["a,b"]}},
            )
        ],
        ["/routes/1/parameters/url/items/values/0"],
    ),
    (
        "ABI-TABLE-25",
        [("/routes/1/parameters/url/pattern", "(a+)+$")],
        ["/routes/1/parameters/url/pattern"],
    ),
    ("ABI-TABLE-26", [("/defaults/argv", [])], ["/defaults/argv"]),
    ("ABI-TABLE-26", [("/defaults/path", "/x")], ["/defaults/path"]),
    ("ABI-TABLE-26", [("/defaults/help", "x")], ["/defaults/help"]),
    (
        "ABI-TABLE-30",
        [("/routes/0/response", {"delivery": "stream", "type": "text/plain"})],
        ["/routes/0"],
    ),
    (
        "ABI-TABLE-30",
        [("/routes/0/response", {"delivery": "stream", "max_bytes": (1 << 30) + 1})],
        ["/routes/0"],
    ),
    *(
        ("ABI-TABLE-31", [(f"/routes/0/{name}", value)], [f"/routes/0/{name}"])
        for name, values in {
            "timeout": (0, 86_401, -1, 0.0001, "1"),
            "idle_timeout": (0, 86_401),
            "grace": (-1, 3_601, 0.0001),
        }.items()
        for value in values
    ),
    *(
        ("ABI-TABLE-32", [("/routes/0/statuses", {code: status})], [f"/routes/0/statuses/{code}"])
        for code, status in {
            "1": 422,
            "2": 429,
            "3": 401,
            "4": 405,
            "5": 204,
            "6": 302,
            "0": 500,
            "256": 500,
            "01": 500,
            "x": 500,
            "7": 599,
        }.items()
    ),
    ("ABI-TABLE-33", [("/routes/0/max_body", 1)], ["/routes/0/max_body"]),
    ("ABI-TABLE-36", [("/routes/0/principals", [])], ["/routes/0/principals"]),
    ("ABI-TABLE-36", [("/routes/0/principals", ["a", "a"])], ["/routes/0/principals/1"]),
    ("ABI-TABLE-36", [("/routes/0/principals", ["a", ""])], ["/routes/0/principals/1"]),
    ("ABI-TABLE-36", [("/routes/0/principals", ["x" * 256])], ["/routes/0/principals/0"]),
    ("ABI-TABLE-37", [("/$schema", 1)], ["/$schema"]),
]


# what becomes of the good table's text: none of it is a table any more
NO_JSON = [
    (b'"abi"', b'/* no */ "abi"'),
    (b'"abi": 1', b'"abi": 1,'),
    (b"30", b"NaN"),
    (b"30", b"1e999"),
    (b"30", b"030"),
    (b'"demo"', b'"\\ud800"'),
    (b'"demo"', b'"\xff"'),
    (b'"demo"', b'"\xed\xa0\x80"'),
    (b'"demo"', b"'demo'"),
    (b'"demo"', b'"de\nmo"'),
    (b'{"abi"', b'\xef\xbb\xbf{"abi"'),
]
MONSTERS = [
    b" " * (1 << 20) + json.dumps(GOOD).encode(),
    b"[" * 33 + b"]" * 33,
    b"[" * 1_000_000,
    b'{"a":' * 200_000,
    b'"' + b"\\" * 1_000_000,
    b"9" * 1_000_000,
]
AGAIN = {"path": "/list", "method": ["PUT", "GET"], "argv": []}
# at the edge of what is allowed
TAKEN: list[tuple[str, Any]] = [
    ("ABI-TABLE-10", [("/command", ["/usr/bin/{x}", "{}", "--x={y}"])]),
    ("ABI-TABLE-13", [("/routes/0/path", "/A-z0/9._~/a..b/.x")]),
    ("ABI-TABLE-14", [("/routes/0/method", ["GET", "M-SEARCH", "HEAD"])]),
    ("ABI-TABLE-15", [("/routes/1", {**AGAIN, "method": ["PUT", "POST"]})]),
    ("ABI-TABLE-31", [("/routes/0/timeout", 0.001), ("/routes/0/grace", 0)]),
    ("ABI-TABLE-31", [("/routes/0/timeout", 86_400), ("/routes/0/grace", 3_600)]),
    ("ABI-TABLE-8", [("/process", "X" * 64)]),
    ("ABI-TABLE-32", [("/routes/0/statuses", {"0": 203, "255": 417, "1": 200})]),
    ("ABI-TABLE-36", [("/routes/0/principals", ["a", "x" * 255])]),
    ("ABI-TABLE-37", [("/$schema", "no host looks at this")]),
]


def _cases() -> list[tuple[str, bytes, list[str]]]:
    """Clause, text and the places of the mistakes of every table that is asked about."""
    good = json.dumps(GOOD).encode()
    twice = good.replace(b'"path": "/list"', b'"path": "/x", "p\\u0061th": "/list"')
    return [
        *((name, json.dumps(changed(*changes)).encode(), at) for name, changes, at in MISTAKES),
        ("ABI-TABLE-5", good.replace(b'"abi": 1', b'"abi": 1, "abi": 1'), ["/abi"]),
        ("ABI-TABLE-5", twice, ["/routes/0/path"]),
        *(("ABI-TABLE-6", good.replace(old, new, 1), ["/"]) for old, new in NO_JSON),
        ("ABI-TABLE-15", json.dumps(changed(("/routes/1", AGAIN))).encode(), ["/routes/1"]),
        *((name, json.dumps(changed(*changes)).encode(), []) for name, changes in TAKEN),
        ("ABI-TABLE-1", good, []),
    ]


CASES = _cases()
