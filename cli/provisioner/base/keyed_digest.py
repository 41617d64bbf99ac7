"""Digests of secrets, keyed: a plain hash of something short can be guessed by trying.

What is derived from secrets and may be read by everybody (a digest in a record, a package's id) is
keyed with ROOT/provisioner/key.
"""

from __future__ import annotations

import hashlib
import hmac
import json

KEY_BYTES = 32


def of_bytes(key: bytes, content: bytes) -> str:
    """The HMAC-SHA-256 of bytes, in hex."""
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def of_values(key: bytes, *values: object) -> str:
    """The HMAC-SHA-256 of JSON-able values, in hex; the order of keys does not matter."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return of_bytes(key, text.encode())
