"""Records of packages (ROOT/manifests): what of them another adding of the archive makes again."""

from __future__ import annotations

import json
from pathlib import Path


def lasting_content(record: Path) -> tuple[dict[str, object], bytes]:
    """Head and entries, without what tells when it was added: the newest generation of then."""
    head, entries, _ = record.read_bytes().splitlines()
    return {**json.loads(head), "generation": None}, entries
