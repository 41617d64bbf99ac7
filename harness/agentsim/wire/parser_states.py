"""The states of the request parser: each takes the bytes that belong to it, and says what follows.

A state is a function of what was read so far, the data and a position in it. It returns the
position of the first byte that it leaves to the next state, which is then in `Progress.state`:

    between_messages  in_method  before_target  in_target  in_version  line_end    the request line
    field_start  in_name  before_value  value_start  in_value  after_value         a header field;
    after_value_line                                                               it may be folded
    after_blank_value  after_blank_line                                            one without value
    head_end                                                                       the empty line
    in_body                                                                        a body by length
    chunk_size_start  in_chunk_size  in_chunk_parameters  chunk_size_end           a chunk's size,
    in_chunk  chunk_end_cr  chunk_end_lf                                           and the chunk

From the lines' ends it goes back to `field_start` until there is an empty line; a last chunk is
followed by fields, too (the trailer). These are http-parser's own states: what a byte means, and
when it is refused, depends on them alone.

Source: http-parser 2.6.2 `http_parser_execute`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

from agentsim.wire import grammar
from agentsim.wire.framing import Framing, Malformed

# Read so far in small pieces, a part of a head is kept as bytes; beyond that it grows in place.
_SMALL_BYTES: Final = 256
# Of a name, as much as framing looks at before the name is complete.
_NAMED_BYTES: Final = len(b"content-length")


# The part of a target that its next byte belongs to, in their order.
NO_PART, SCHEME, FIRST_SLASH, SECOND_SLASH, SERVER, PATH = range(6)


class Progress:
    """How far the reading of a connection has come.

    Attributes:
        state: takes the next byte.
        counted: bytes of the head so far.
        trailing: whether the fields being read stand behind the last chunk.
        upgrade: whether what follows the message belongs to another protocol.
        inflate: undoes the body's gzip, if it has one.
    """

    def __init__(self) -> None:
        self.state: State = between_messages
        self.counted = 0
        self.begin()

    def begin(self) -> None:
        """A message begins."""
        self.method = b""
        self.target: bytes | bytearray = b""
        self.target_part = NO_PART
        self.version = b""
        self.name: bytes | bytearray = b""
        self.value: bytes | bytearray = b""
        self.headers: dict[bytes, bytes] = {}
        self.framing = Framing()
        self.trailing = self.upgrade = False
        self.inflate: zlib._Decompress | None = None

    def head_complete(self) -> None:
        """The head is complete; what the body will be is in `framing`."""
        raise NotImplementedError

    @property
    def max_delivery_bytes(self) -> int:
        """How much of a body may be delivered at once."""
        raise NotImplementedError

    def deliver(self, data: bytes, *, unseen: bool) -> None:
        """Some of the body.

        Args:
            data: as it was sent.
            unseen: whether an error in the last bytes of it goes unnoticed for now.
        """
        raise NotImplementedError

    def message_end(self) -> None:
        """The message is complete."""
        raise NotImplementedError


State = Callable[[Progress, bytes, int], int]


# -- the request line ---------------------------------------------------------------------


def between_messages(at: Progress, data: bytes, position: int) -> int:
    match = grammar.NEWLINES.match(data, position)
    assert match is not None
    if match.end() == position:
        at.begin()
        at.state = in_method
    return match.end()


def in_method(at: Progress, data: bytes, position: int) -> int:
    match = grammar.METHOD.match(data, position)
    assert match is not None
    method = at.method + match.group()
    stop = match.end()
    if stop == len(data):
        if method not in grammar.METHOD_PREFIXES:
            raise Malformed
        at.method = method
        return stop
    if method not in grammar.METHODS:
        raise Malformed
    at.method = method
    at.state = before_target
    return stop + 1


def before_target(at: Progress, data: bytes, position: int) -> int:
    match = grammar.SPACES.match(data, position)
    assert match is not None
    if match.end() < len(data):
        at.state = in_target
    return match.end()


def in_target(at: Progress, data: bytes, position: int) -> int:
    match = grammar.TARGET.match(data, position)
    assert match is not None
    span = match.group()
    _look_at_target(at, span)
    at.target = _grown(at.target, span)
    stop = match.end()
    if stop == len(data):
        return stop
    # A target may end only where http-parser is past the "//" of its scheme.
    part = at.target_part
    if part < SERVER or (part == SERVER and at.target[-3:] == b"://"):
        raise Malformed
    delimiter = data[stop]
    if delimiter == 0x20:
        at.state = in_version
    else:
        at.version = b" H....0.9"  # a request line without a version is HTTP/0.9
        at.state = line_end if delimiter == 0x0D else field_start
    return stop + 1


def _look_at_target(at: Progress, span: bytes) -> None:
    """Look at more of a target: at nothing twice, however small the pieces that it comes in."""
    position, end = 0, len(span)
    while position < end:
        byte = span[position]
        part = at.target_part
        if part == PATH:
            if grammar.IN_PATH.fullmatch(span, position) is None:
                raise Malformed
            return
        if part == NO_PART:
            if at.method == b"CONNECT":
                at.target_part = SERVER
            else:
                at.target_part = PATH if byte in b"/*" else SCHEME
                if at.target_part == SCHEME and byte not in grammar.LETTERS:
                    raise Malformed
        elif part == SERVER:
            if byte == 0x40 and (span[position - 1] if position else at.target[-1:]) in (64, b"@"):
                raise Malformed
            position = grammar.end(grammar.IN_SERVER, span, position)
            if position < end:
                if span[position] not in b"/?":
                    raise Malformed
                at.target_part = PATH
                position += 1
        else:
            if part == SCHEME:
                position = grammar.end(grammar.IN_SCHEME, span, position)
                if position == end:
                    return
            if span[position] != (0x3A if part == SCHEME else 0x2F):
                raise Malformed
            at.target_part = part + 1
            position += 1


def _grown(before: bytes | bytearray, more: bytes) -> bytes | bytearray:
    """What was read and more of it; linear in the bytes, however small the pieces."""
    if len(before) < _SMALL_BYTES:
        return before + more
    if isinstance(before, bytes):
        before = bytearray(before)
    before += more
    return before


def in_version(at: Progress, data: bytes, position: int) -> int:
    if not at.version:
        position = grammar.end(grammar.SPACES, data, position)
    # The four characters after the H may be anything, line ends too: the lenient build does
    # not look at them.  So only what follows them can end the line.
    piece = data[position : position + _SMALL_BYTES]
    version = at.version + piece
    match = grammar.VERSION_PREFIX.match(version)
    assert match is not None
    stop = match.end()
    if stop == len(version):
        at.version = grammar.MINOR_ZEROS.sub(rb"\1", version)
        return position + len(piece)
    complete = grammar.VERSION.fullmatch(version, 0, stop)
    if complete is None or version[stop] not in b"\r\n":
        raise Malformed
    taken = stop - len(at.version)
    at.version = version[:stop]
    at.state = line_end if version[stop] == 0x0D else field_start
    return position + taken + 1


def line_end(at: Progress, data: bytes, position: int) -> int:
    if data[position] != 0x0A:
        raise Malformed
    at.state = field_start
    return position + 1


# -- header fields ------------------------------------------------------------------------


def field_start(at: Progress, data: bytes, position: int) -> int:
    byte = data[position]
    if byte == 0x0D:
        at.state = head_end
        return position + 1
    if byte == 0x0A:
        at.state = head_end
        return position
    at.name = b""
    at.state = in_name
    return position


def in_name(at: Progress, data: bytes, position: int) -> int:
    match = grammar.NAME.match(data, position)
    assert match is not None
    before = bytes(at.name[:_NAMED_BYTES])
    name = at.name = _grown(at.name, match.group())
    at.framing.see_name(before, bytes(name[:_NAMED_BYTES]))
    stop = match.end()
    if stop == len(data):
        return stop
    if data[stop] != 0x3A or not name or at.trailing:
        raise Malformed
    at.framing.begin_value(bytes(name))
    at.value = b""
    at.state = before_value
    return stop + 1


def before_value(at: Progress, data: bytes, position: int) -> int:
    match = grammar.BLANKS.match(data, position)
    assert match is not None
    stop = match.end()
    if stop == len(data):
        return stop
    byte = data[stop]
    if byte == 0x0D:
        at.state = after_blank_value
        return stop + 1
    if byte == 0x0A:
        at.state = after_blank_line
        return stop + 1
    at.state = value_start
    return stop


def after_blank_value(at: Progress, data: bytes, position: int) -> int:  # noqa: ARG001
    at.state = after_blank_line  # whatever the byte is: the lenient build does not look
    return position + 1


def after_blank_line(at: Progress, data: bytes, position: int) -> int:
    if data[position] in b" \t":
        at.state = before_value
        return position + 1
    at.headers[bytes(at.name).lower()] = b""
    at.state = field_start
    return position


def value_start(at: Progress, data: bytes, position: int) -> int:
    at.framing.begin_line(data[position])
    at.value = _grown(at.value, data[position : position + 1])
    at.state = in_value
    return position + 1


def in_value(at: Progress, data: bytes, position: int) -> int:
    match = grammar.VALUE.match(data, position)
    assert match is not None
    span = match.group()
    if span:
        at.framing.take(span)
        at.value = _grown(at.value, span)
    stop = match.end()
    if stop < len(data):
        if data[stop] == 0x0D:
            at.state = after_value
            return stop + 1
        at.state = after_value
    return stop


def after_value(at: Progress, data: bytes, position: int) -> int:
    if data[position] != 0x0A:
        raise Malformed
    at.state = after_value_line
    return position + 1


def after_value_line(at: Progress, data: bytes, position: int) -> int:
    if data[position] in b" \t":
        at.state = value_start  # a folded line goes on with its blanks
        return position
    at.framing.end_value()
    at.headers[bytes(at.name).lower()] = bytes(at.value)
    at.state = field_start
    return position


# -- the end of a head, bodies ------------------------------------------------------------


def head_end(at: Progress, data: bytes, position: int) -> int:  # noqa: ARG001
    # The byte after the last CR is taken whatever it is.
    if at.trailing:
        at.message_end()
        return position + 1
    framing = at.framing
    if framing.chunked and framing.has_length:
        raise Malformed
    at.upgrade = at.method == b"CONNECT" or framing.upgrade
    at.head_complete()
    has_body = framing.chunked or bool(framing.length)
    if at.upgrade and (at.method == b"CONNECT" or not has_body):
        at.message_end()
    elif framing.chunked:
        at.state = chunk_size_start
    elif framing.length:
        at.state = in_body
    else:
        at.message_end()
    at.counted = -1  # this byte belongs to the head that is complete
    return position + 1


def in_body(at: Progress, data: bytes, position: int) -> int:
    assert at.framing.length is not None
    taken = min(at.framing.length, len(data) - position, at.max_delivery_bytes)
    at.framing.length -= taken
    unseen = at.framing.length > 0 and position + taken == len(data)
    at.deliver(data[position : position + taken], unseen=unseen)
    if at.framing.length == 0:
        at.message_end()
    return position + taken


def chunk_size_start(at: Progress, data: bytes, position: int) -> int:
    if data[position] not in b"0123456789abcdefABCDEF":
        raise Malformed
    at.framing.length = 0
    at.state = in_chunk_size
    return position


def in_chunk_size(at: Progress, data: bytes, position: int) -> int:
    match = grammar.HEX.match(data, position)
    assert match is not None
    at.framing.take_chunk_digits(match.group())
    stop = match.end()
    if stop == len(data):
        return stop
    byte = data[stop]
    if byte == 0x0D:
        at.state = chunk_size_end
    elif byte in b"; ":
        at.state = in_chunk_parameters
    else:
        raise Malformed
    return stop + 1


def in_chunk_parameters(at: Progress, data: bytes, position: int) -> int:
    match = grammar.NOT_CR.match(data, position)
    assert match is not None
    stop = match.end()
    if stop == len(data):
        return stop
    at.state = chunk_size_end
    return stop + 1


def chunk_size_end(at: Progress, data: bytes, position: int) -> int:  # noqa: ARG001
    at.counted = -1
    if at.framing.length == 0:
        at.trailing = True
        at.state = field_start
    else:
        at.state = in_chunk
    return position + 1


def in_chunk(at: Progress, data: bytes, position: int) -> int:
    assert at.framing.length is not None
    taken = min(at.framing.length, len(data) - position, at.max_delivery_bytes)
    at.framing.length -= taken
    at.deliver(data[position : position + taken], unseen=position + taken >= len(data) - 1)
    if at.framing.length == 0:
        at.state = chunk_end_cr
    return position + taken


def chunk_end_cr(at: Progress, data: bytes, position: int) -> int:  # noqa: ARG001
    at.state = chunk_end_lf
    return position + 1


def chunk_end_lf(at: Progress, data: bytes, position: int) -> int:  # noqa: ARG001
    at.counted = 0
    at.state = chunk_size_start
    return position + 1


#: Their bytes do not count as bytes of a head.
UNCOUNTED: Final = frozenset((in_body, in_chunk, chunk_end_cr, chunk_end_lf))
