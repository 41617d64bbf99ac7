"""What http-parser 2.6.2, in its lenient build, takes for the parts of a request's head.

Parts may still be growing: what matches all of what has arrived can still become a request.

Source: http-parser 2.6.2, `parse_url_char`, `TOKEN`, `s_req_http_start` and the states after it.
"""

from __future__ import annotations

import re

from agentsim.core import status_names

# No route can have CONNECT, but the parser takes it.
METHODS = frozenset(method.encode() for method in status_names.METHODS) | {b"CONNECT"}
METHOD_PREFIXES = frozenset(m[:n] for m in METHODS for n in range(1, len(m) + 1))

NEWLINES = re.compile(rb"[\r\n]*")
SPACES = re.compile(rb" *")
BLANKS = re.compile(rb"[ \t]*")
METHOD = re.compile(rb"[^ ]*")
# Tab and form feed, bytes above 0x7F: the lenient build takes them in a target.
TARGET = re.compile(rb"[^ \r\n]*")
_LENIENT = rb"\t\x0c!-~\x80-\xff"
_USERINFO = rb"A-Za-z0-9\-_.!~*'()%;:&=+$,"
LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
IN_SCHEME = re.compile(rb"[A-Za-z]*")
IN_SERVER = re.compile(rb"(?:[" + _USERINFO + rb"\[\]]|@(?!@))*")
IN_PATH = re.compile(rb"[" + _LENIENT + rb"]*")
VERSION_PREFIX = re.compile(
    rb" *(?:H(?:.(?:.(?:.(?:.(?:[1-9](?:[0-9]{0,2}(?:\.(?:0*[0-9]{0,3})?)?)?)?)?)?)?)?)?", re.DOTALL
)
VERSION = re.compile(rb" *H....([0-9]+)\.0*([0-9]+)", re.DOTALL)
# Any number of them means the same.
MINOR_ZEROS = re.compile(rb"(\.0)0+")
_TOKEN_CHARACTERS = rb"!#$%&'*+\-.0-9A-Z^_`a-z|~ "
NAME = re.compile(rb"[" + _TOKEN_CHARACTERS + rb"]*")
VALUE = re.compile(rb"[^\r\n]*")
HEX = re.compile(rb"[0-9A-Fa-f]*")
NOT_CR = re.compile(rb"[^\r]*")


def end(pattern: re.Pattern[bytes], data: bytes, position: int) -> int:
    """Where the match of a pattern ends that takes any number of bytes, none too."""
    match = pattern.match(data, position)
    assert match is not None
    return match.end()
