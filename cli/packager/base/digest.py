"""The hash that everything is known by. hashlib is imported where a hash is made, not before."""

from __future__ import annotations


def sha256(content: bytes) -> str:
    """The SHA-256 of `content`, in hexadecimal (64 small letters and digits)."""
    import hashlib

    return hashlib.sha256(content).hexdigest()
