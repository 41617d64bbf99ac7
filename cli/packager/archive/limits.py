"""How much an archive may ask for: every limit on untrusted input, in one place."""

MIB = 1 << 20
GIB = 1 << 30


class Limits:
    """Bounds on one archive. The defaults are several times the largest packages in use."""

    __slots__ = (
        "depth",
        "document",
        "free",
        "member_path",
        "members",
        "memory",
        "ratio",
        "streams",
        "total",
    )

    def __init__(
        self,
        *,
        members: int = 100_000,
        total: int = 16 * GIB,
        free: int = 256 * MIB,
        ratio: int = 128,
        member_path: int = 1024,
        depth: int = 64,
        document: int = 4 * MIB,
        memory: int = 256 * MIB,
        streams: int = 50_000,
    ) -> None:
        self.members = members  # headers in the archive, of any kind; and what they make
        self.total = total  # bytes of the unpacked archive, padding included
        self.free = free  # unpacked bytes before the ratio counts
        self.ratio = ratio  # unpacked bytes for one archive byte; past it is a compression bomb
        self.member_path = member_path  # bytes of a member's path, and of a link's target
        self.depth = depth  # components of a member's path
        self.document = document  # bytes of pkginfo.json, and of one extended header
        self.memory = memory  # bytes that a decompressor may take for its window
        # Compressed streams that are almost empty: each costs time, whatever is in it.
        self.streams = streams
