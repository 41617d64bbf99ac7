"""A thread that decompresses while its caller reads, hashes and writes.

The thread does nothing but hash and decompress: no I/O, so it always comes to its next check of
`stopped`.
"""

from __future__ import annotations

import re
import threading
from queue import SimpleQueue

from packager.archive.tar_reader import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from packager.archive.compression import Decompressor, Format

OUTPUT_PIECE_BYTES = 1 << 20  # bytes decompressed at once
MAX_INPUT_PIECES = 3  # pieces of input given to the thread and not used up
MAX_OUTPUT_PIECES = 4  # pieces of output it may be ahead of the caller
# Bytes of input that a stream is given first: libraries copy all that a stream leaves over, which
# takes for ever where streams are short and many.
FIRST_BYTES = 16 << 10
FULL_STREAM_BYTES = 16 << 10  # unpacked bytes for which a stream counts as worth its time
_ZEROS = re.compile(rb"\0*")


def decompressed(
    head: bytes,
    read: Callable[[], bytes],
    compressed: Format,
    see: Callable[[bytes], None],
    short_streams: int,
) -> Iterator[bytes]:
    """The contents of the compressed stream `head` + what `read` returns until b"".

    Raises Refused for a stream that is damaged, cut, or followed by something else, and for more
    than `short_streams` streams with next to nothing in them; whatever `read` raises passes
    through. Every piece of input is shown to `see`, in the thread, in order;
    all have been when the iterator ends. Closing the iterator ends the thread.
    """
    worker = _Worker(compressed, see, short_streams)
    worker.start()
    try:
        worker.input_pieces.put(head)
        in_flight, ended = 1, False
        while True:
            while in_flight < MAX_INPUT_PIECES and not ended:
                piece = read()
                worker.input_pieces.put(piece)
                in_flight += 1
                ended = not piece
            output = worker.made.get()
            if output is None:
                in_flight -= 1
                if ended and not in_flight:
                    return
            elif isinstance(output, Exception):
                raise output
            else:
                worker.ahead.release()
                yield output
    finally:
        worker.stop()


class _Worker(threading.Thread):
    def __init__(
        self, compressed: Format, see: Callable[[bytes], None], short_streams: int
    ) -> None:
        super().__init__(daemon=True)
        self._format = compressed
        self._see = see
        self._streams_left = short_streams
        self._zeros = 0  # bytes of padding since the last stream
        self.input_pieces: SimpleQueue[bytes] = SimpleQueue()  # b"" is the end of the input
        self.made: SimpleQueue[bytes | Exception | None] = SimpleQueue()  # None: a piece used up
        self.ahead = threading.Semaphore(MAX_OUTPUT_PIECES)
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True
        self.input_pieces.put(b"")
        self.ahead.release()
        self.join()

    def run(self) -> None:
        try:
            self._decompress()
        except Exception as error:  # whatever it is, the caller's thread reports it
            self.made.put(error)

    def _decompress(self) -> None:
        decompressor = self._format.make()
        since = unpacked = 0  # bytes since the last stream that was counted, and in all
        while not self.stopped:
            piece = self.input_pieces.get()
            if not piece:
                if not decompressor.eof:
                    raise Refused("the archive is cut short")
                self._check_padding()
                self.made.put(None)
                return
            self._see(piece)
            at, size = 0, len(piece)
            while not self.stopped:
                if decompressor.eof:
                    at = self._skip_padding(piece, at)
                    if at == len(piece):
                        break
                    self._count_stream(unpacked - since)
                    since = unpacked
                    decompressor = self._format.make()
                    size = FIRST_BYTES
                elif at == len(piece) and decompressor.needs_input:
                    break
                given = piece[at : at + size] if decompressor.needs_input else b""
                size = len(piece)
                at += len(given)
                output = self._step(decompressor, given)
                if decompressor.eof:
                    at -= len(decompressor.unused_data)
                if output:
                    unpacked += len(output)
                    self.ahead.acquire()
                    self.made.put(output)
            self.made.put(None)

    def _skip_padding(self, piece: bytes, at: int) -> int:
        """Where in `piece` the next stream begins, or its end."""
        if not self._format.padding:
            return at
        matched = _ZEROS.match(piece, at)
        assert matched is not None
        self._zeros += matched.end() - at
        if matched.end() < len(piece):
            self._check_padding()
            self._zeros = 0
        return matched.end()

    def _check_padding(self) -> None:
        if self._zeros % (self._format.padding or 1):
            raise Refused(
                f"the compressed data is damaged: {self._zeros} zero bytes after a stream, "
                f"multiples of {self._format.padding} are allowed"
            )

    def _count_stream(self, unpacked: int) -> None:
        """After a stream of so many bytes another one begins."""
        if unpacked < FULL_STREAM_BYTES:
            self._streams_left -= 1
            if self._streams_left < 0:
                raise Refused("the compressed data is cut into too many streams, almost all empty")

    def _step(self, decompressor: Decompressor, piece: bytes) -> bytes:
        try:
            return decompressor.decompress(piece, OUTPUT_PIECE_BYTES)
        except MemoryError:
            raise
        except Exception as error:  # zlib.error, LZMAError, ZstdError: three modules, one meaning
            if "memory" in str(error).lower():  # xz's and zstd's only sign that it is the window
                raise Refused(
                    f"the compressed data needs more than {self._format.memory >> 20} MiB of "
                    "memory to read: compress it with a smaller window (zstd: without --long, "
                    "or --ultra; xz: -9 or less)"
                ) from error
            raise Refused(f"the compressed data is damaged: {error}") from error
