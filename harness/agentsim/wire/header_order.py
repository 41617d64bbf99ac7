"""The order in which libprocess writes the headers of an answer.

libprocess keeps headers in a C++ `std::unordered_map` and writes them in that map's order, which is
neither the order of insertion nor alphabetical, but is always the same for the same headers.  A
client that compares answers byte for byte sees it, so it is reproduced here: libstdc++'s hash
table (a new bucket goes to the front of one list of all nodes, a node of a used bucket goes to the
front of its bucket) over libprocess's case-insensitive hash of the name.

Source: stout `hashmap.hpp`, libprocess `CaseInsensitiveHash`, boost 1.81 `hash_combine`,
libstdc++ `bits/hashtable.h` and `_Prime_rehash_policy`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

_MASK = 2**64 - 1
_BUCKETS = 13  # libstdc++ goes from 1 bucket to 13 at the first insertion
_MIX = 0xE9846AF9B1A615D


@lru_cache(maxsize=512)
def _hash(name: str) -> int:
    seed = 0
    for character in name.lower().encode():
        x = (seed + 0x9E3779B9 + character) & _MASK
        x = ((x ^ (x >> 32)) * _MIX) & _MASK
        x = ((x ^ (x >> 32)) * _MIX) & _MASK
        seed = x ^ (x >> 28)
    return seed


@lru_cache(maxsize=512)
def order(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names in the order in which libprocess writes them.

    Args:
        names: at most 13 different names, in order of insertion.
    """
    nodes: list[str] = []
    used: set[int] = set()
    for name in names:
        bucket = _hash(name) % _BUCKETS
        if bucket in used:
            nodes.insert(
                next(i for i, n in enumerate(nodes) if _hash(n) % _BUCKETS == bucket), name
            )
        else:
            nodes.insert(0, name)
            used.add(bucket)
    return tuple(nodes)


def ordered(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Headers in libprocess's order; of a repeated name the last value stays at the first place."""
    values = dict(headers)
    return [(name, values[name]) for name in order(tuple(values))]
