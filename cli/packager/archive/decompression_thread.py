"""A thread that decompresses while its caller reads, hashes and writes.

The thread does nothing but hash and decompress: no I/O, so it always comes to its next check of
`stopped`.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue

from packager.archive.tar_reader import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from packager.archive.compression import Decompressor

OUTPUT_PIECE_BYTES = 1 << 20  # bytes decompressed at once
MAX_INPUT_PIECES = 3  # pieces of input given to the thread and not used up
MAX_OUTPUT_PIECES = 4  # pieces of output it may be ahead of the caller


def decompressed(
    head: bytes,
    read: Callable[[], bytes],
    make: Callable[[], Decompressor],
    see: Callable[[bytes], None],
) -> Iterator[bytes]:
    """The contents of the compressed stream `head` + what `read` returns until b"".

    Raises Refused for a stream that is damaged, cut, or followed by something else; whatever
    `read` raises passes through. Every piece of input is shown to `see`, in the thread, in order;
    all have been when the iterator ends. Closing the iterator ends the thread.
    """
    worker = _Worker(make, see)
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
    def __init__(self, make: Callable[[], Decompressor], see: Callable[[bytes], None]) -> None:
        super().__init__(daemon=True)
        self._make = make
        self._see = see
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
        decompressor = self._make()
        while not self.stopped:
            piece = self.input_pieces.get()
            if not piece:
                if not decompressor.eof:
                    raise Refused("the archive is cut short")
                self.made.put(None)
                return
            self._see(piece)
            while not self.stopped:
                if decompressor.eof:  # the next of several concatenated streams
                    decompressor = self._make()
                output = self._step(decompressor, piece)
                if output:
                    self.ahead.acquire()
                    self.made.put(output)
                piece = decompressor.unused_data if decompressor.eof else b""
                if not piece and (decompressor.eof or decompressor.needs_input):
                    break
            self.made.put(None)

    def _step(self, decompressor: Decompressor, piece: bytes) -> bytes:
        try:
            return decompressor.decompress(piece, OUTPUT_PIECE_BYTES)
        except MemoryError:
            raise
        except Exception as error:  # zlib.error, LZMAError, ZstdError: three modules, one meaning
            raise Refused(f"the compressed data is damaged: {error}") from error
