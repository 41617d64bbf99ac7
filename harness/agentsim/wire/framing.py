"""What a head says of the message it opens: how long it is, and what becomes of the connection.

http-parser looks into the values of five headers while it reads them, byte by byte; how far a word
has been matched survives the end of a read, and a folded line spoils it.  `Framing` is that part of
its state.

Source: http-parser 2.6.2, `header_state` and the flags `F_…`.
"""

from __future__ import annotations

from agentsim.wire import grammar


class Malformed(Exception):
    """The bytes are no request."""

    reason = "failed to decode body"


class CutGzip(Malformed):
    """A compressed body ends before its compression does."""

    reason = "Failed to decompress body"


_MAX_LENGTH = 2**64 - 1

_GENERAL = "general"
_LENGTH = "content-length"
_ENCODING = "transfer-encoding"
_UPGRADE = "upgrade"
_CONNECTION = "connection"
_CHUNKED_MATCHED = "chunked"
_WORD_START = "word-start"
_WORD = "word"
_CLOSE_MATCHED = "close"
_KEEP_ALIVE_MATCHED = "keep-alive"
_UPGRADE_MATCHED = "connection-upgrade"
_MATCHING = {
    "matching-chunked": (b"chunked", _GENERAL, _CHUNKED_MATCHED),
    "matching-keep-alive": (b"keep-alive", _WORD, _KEEP_ALIVE_MATCHED),
    "matching-close": (b"close", _WORD, _CLOSE_MATCHED),
    "matching-upgrade": (b"upgrade", _WORD, _UPGRADE_MATCHED),
}
_WORDS = {0x6B: "matching-keep-alive", 0x63: "matching-close", 0x75: "matching-upgrade"}  # k c u
_SPECIAL = {
    b"connection": _CONNECTION,
    b"proxy-connection": _CONNECTION,
    b"content-length": _LENGTH,
    b"transfer-encoding": _ENCODING,
    b"upgrade": _UPGRADE,
}


class Framing:
    """The framing of one message, as far as its head has been read.

    Attributes:
        length: bytes of the body, of a chunk later; None if no length was given.
        has_length: a header's name began with Content-Length, which is what the parser counts.
        chunked: the body comes in chunks.
        close, keep_alive: what `Connection` asks for.
    """

    __slots__ = (
        "_connection_upgrade",
        "_matched",
        "_state",
        "_upgrade",
        "chunked",
        "close",
        "has_length",
        "keep_alive",
        "length",
    )

    def __init__(self) -> None:
        self.length: int | None = None
        self.has_length = self.chunked = False
        self.close = self.keep_alive = False
        self._upgrade = self._connection_upgrade = False
        self._state = _GENERAL
        self._matched = 0  # index of the last byte of a word that was matched

    @property
    def upgrade(self) -> bool:
        """Whether the client asks for another protocol, by both headers that it takes."""
        return self._upgrade and self._connection_upgrade

    def see_name(self, before: bytes, name: bytes) -> None:
        """A header's name has grown from `before` to `name`.

        Raises:
            Malformed: it is a second Content-Length, whatever may follow these letters.
        """
        length = b"content-length"
        if before[:14].lower() != length and name[:14].lower() == length:
            if self.has_length:
                raise Malformed
            self.has_length = True

    def begin_value(self, name: bytes) -> None:
        """The value of a header follows."""
        self._state = _SPECIAL.get(name.lower().rstrip(b" "), _GENERAL)

    def begin_line(self, byte: int) -> None:
        """The first byte of a value's line, of a folded one too; its control characters pass.

        Raises:
            Malformed: a Content-Length does not start with a digit.
        """
        state = self._state
        lower = byte | 0x20
        self._matched = 0
        if state is _LENGTH:
            if not 0x30 <= byte <= 0x39:
                raise Malformed
            self.length = byte - 0x30
        elif state is _UPGRADE:
            self._upgrade = True
            self._state = _GENERAL
        elif state is _ENCODING:
            self._state = "matching-chunked" if lower == 0x63 else _GENERAL
        elif state is _CONNECTION:
            self._state = _WORDS.get(lower, _WORD)
        elif state is not _WORD_START:
            self._state = _GENERAL

    def take(self, span: bytes) -> None:
        """More of a line, without its end.

        Raises:
            Malformed: a control character where the parser looks for one, or no length.
        """
        for byte in span:
            if byte != 9 and (byte <= 31 or byte == 127):
                raise Malformed
            if self._state is _GENERAL:
                return  # the parser skips to the end of the line without another look
            self._step(byte)

    def _step(self, byte: int) -> None:
        state = self._state
        if state is _LENGTH:
            self._take_digit(byte)
        elif state in _MATCHING:
            word, otherwise, matched = _MATCHING[state]
            self._matched += 1
            if self._matched >= len(word) or byte | 0x20 != word[self._matched]:
                self._state = otherwise
            elif self._matched == len(word) - 1:
                self._state = matched
        elif state is _WORD_START:
            self._start_word(byte | 0x20)
        elif state is _WORD:
            if byte == 0x2C:
                self._state, self._matched = _WORD_START, 0
        elif state is _CHUNKED_MATCHED:
            if byte != 0x20:
                self._state = _GENERAL
        elif byte == 0x2C:
            self._note_word()
            self._state, self._matched = _WORD_START, 0
        elif byte != 0x20:
            self._state = _WORD

    def _take_digit(self, byte: int) -> None:
        if byte == 0x20:
            return  # blanks may stand anywhere in a length
        if not 0x30 <= byte <= 0x39 or self.length is None:
            raise Malformed
        if self.length > (_MAX_LENGTH - 10) // 10:
            raise Malformed
        self.length = self.length * 10 + byte - 0x30

    def _start_word(self, lower: int) -> None:
        if lower in _WORDS:
            self._state = _WORDS[lower]
        elif lower != 0x20:
            # A tab has become a parenthesis by the parser's way to lower case, so it spoils the
            # words that follow.
            is_token = grammar.NAME.fullmatch(bytes((lower,))) is not None
            self._state = _WORD if is_token else _GENERAL

    def _note_word(self) -> None:
        if self._state is _KEEP_ALIVE_MATCHED:
            self.keep_alive = True
        elif self._state is _CLOSE_MATCHED:
            self.close = True
        elif self._state is _UPGRADE_MATCHED:
            self._connection_upgrade = True

    def end_value(self) -> None:
        """The value is complete: the next line is not a folded one."""
        if self._state is _CHUNKED_MATCHED:
            self.chunked = True
        else:
            self._note_word()

    def take_chunk_digits(self, digits: bytes) -> None:
        """More hexadecimal digits of a chunk's size.

        Raises:
            Malformed: no chunk is that long.
        """
        for digit in digits:
            if self.length is None or self.length > (_MAX_LENGTH - 16) // 16:
                raise Malformed
            self.length = self.length * 16 + int(chr(digit), 16)
