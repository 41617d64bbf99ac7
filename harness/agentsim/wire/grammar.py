"""What http-parser 2.6.2, in its lenient build, takes for the parts of a request's head.

Forms are for parts that may still be growing: a form that matches all of what has arrived says that
it can still become a request.

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
PATH_FORM = re.compile(rb"[/*][" + _LENIENT + rb"]*")
_SERVER = rb"(?:(?:[" + _USERINFO + rb"\[\]]|@(?!@))*(?:[/?][" + _LENIENT + rb"]*)?)"
ABSOLUTE_PREFIX = re.compile(rb"[A-Za-z]+(?::(?:/(?:/" + _SERVER + rb")?)?)?")
SERVER_FORM = re.compile(_SERVER)
# A target may end only where http-parser is past the "//" of its scheme.
ABSOLUTE_ENDED = re.compile(rb"[A-Za-z]+://.", re.DOTALL)
VERSION_PREFIX = re.compile(
    rb" *(?:H(?:.(?:.(?:.(?:.(?:[1-9](?:[0-9]{0,2}(?:\.(?:0*[0-9]{0,3})?)?)?)?)?)?)?)?)?", re.DOTALL
)
VERSION = re.compile(rb" *H....([0-9]+)\.0*([0-9]+)", re.DOTALL)
_TOKEN_CHARACTERS = rb"!#$%&'*+\-.0-9A-Z^_`a-z|~ "
NAME = re.compile(rb"[" + _TOKEN_CHARACTERS + rb"]*")
VALUE = re.compile(rb"[^\r\n]*")
HEX = re.compile(rb"[0-9A-Fa-f]*")
NOT_CR = re.compile(rb"[^\r]*")
