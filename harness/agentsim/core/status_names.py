"""Numbers with names: HTTP statuses as libprocess knows them, exit statuses, signals, reasons."""

from __future__ import annotations

from typing import Final

# libprocess, src/http.cpp, `statuses`: the only ones it can name on the status line.
REASON_PHRASES: Final[dict[int, str]] = {
    100: "Continue",
    101: "Switching Protocols",
    200: "OK",
    201: "Created",
    202: "Accepted",
    203: "Non-Authoritative Information",
    204: "No Content",
    205: "Reset Content",
    206: "Partial Content",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    304: "Not Modified",
    305: "Use Proxy",
    307: "Temporary Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Time-out",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Large",
    415: "Unsupported Media Type",
    416: "Requested range not satisfiable",
    417: "Expectation Failed",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Time-out",
    505: "HTTP Version not supported",
}

# http-parser 2.6.2, HTTP_METHOD_MAP, without CONNECT: after it the parser reads no more requests.
METHODS: Final = frozenset(
    (
        *("DELETE", "GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE", "COPY", "LOCK", "MKCOL"),
        *("MOVE", "PROPFIND", "PROPPATCH", "SEARCH", "UNLOCK", "BIND", "REBIND", "UNBIND", "ACL"),
        *("REPORT", "MKACTIVITY", "CHECKOUT", "MERGE", "M-SEARCH", "NOTIFY", "SUBSCRIBE"),
        *("UNSUBSCRIBE", "PATCH", "PURGE", "MKCALENDAR", "LINK", "UNLINK"),
    )
)

# sysexits.h; every other exit status is 500.
EXIT_STATUSES: Final[dict[int, int]] = {
    0: 200,
    64: 400,
    65: 400,
    66: 404,
    69: 503,
    70: 500,
    73: 409,
    74: 500,
    75: 503,
    76: 502,
    77: 403,
    78: 500,
}

EX_TEMPFAIL: Final = 75

SYSEXITS: Final[dict[int, str]] = {
    64: "EX_USAGE",
    65: "EX_DATAERR",
    66: "EX_NOINPUT",
    67: "EX_NOUSER",
    68: "EX_NOHOST",
    69: "EX_UNAVAILABLE",
    70: "EX_SOFTWARE",
    71: "EX_OSERR",
    72: "EX_OSFILE",
    73: "EX_CANTCREAT",
    74: "EX_IOERR",
    75: "EX_TEMPFAIL",
    76: "EX_PROTOCOL",
    77: "EX_NOPERM",
    78: "EX_CONFIG",
}

# Linux, as numbered on x86 and ARM (signal(7)); the first is 1.
_SIGNALS: Final = (
    *("HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2"),
    *("PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG"),
    *("XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS"),
)


def signal_name(number: int) -> str:
    """signal(7)'s name of a Linux signal, such as SIGTERM; SIG and the number from 32 on."""
    if 1 <= number <= len(_SIGNALS):
        return "SIG" + _SIGNALS[number - 1]
    return f"SIG{number}"


# reason -> (HTTP status, title). What `exit` answers depends on the exit status.
REASONS: Final[dict[str, tuple[int, str]]] = {
    "exit": (500, "The command failed."),
    "signal": (500, "The command was ended by a signal."),
    "timeout": (504, "The command did not end in time."),
    "idle-timeout": (504, "The command was silent for too long."),
    "output-limit": (500, "The command wrote more than it may."),
    "client-gone": (500, "The client went away."),
    "shutdown": (503, "The host is shutting down."),
    "start-failed": (500, "The command could not be started."),
    "exhausted": (503, "The host has no room for another command."),
    "busy": (503, "Too many commands are running."),
    "spool-full": (503, "There is no room for the data of this request."),
    "body-too-large": (413, "The request body is too large."),
    "unguarded": (403, "Nobody can be authenticated for this path."),
    "cross-site": (403, "A page of another site may not ask for this."),
    "not-permitted": (403, "This principal may not call this route."),
    "unknown-path": (404, "There is nothing at this path."),
    "unknown-parameter": (400, "The query has an unknown parameter."),
    "missing-parameter": (400, "A parameter is missing."),
    "bad-parameter": (400, "A parameter has a value that is not allowed."),
}

# What the same request may well not meet a second later.
RETRY_REASONS: Final = frozenset({"busy", "exhausted", "spool-full"})
