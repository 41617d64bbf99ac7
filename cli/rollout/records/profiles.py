"""Which profiles may be put into a record: other people can read it."""

from __future__ import annotations

from typing import Any

from packager.base.documents.kind import DocumentKind
from packager.base.documents.parser import parse
from packager.base.errors import PackagerError

MAX_BYTES = 512 << 10
KIND = DocumentKind("profile", "profiles", extra="rollout")


def why_not_recorded(content: bytes) -> str:
    """Why this profile is not recorded; empty: it may be. What can't be read counts as a secret."""
    if len(content) > MAX_BYTES:
        return f"it has more than {MAX_BYTES >> 10} KiB"
    try:
        document = parse(content, "the profile", KIND)
    except PackagerError:
        return "it can't be looked through for secrets"
    configuration = document.get("configuration")
    places: list[Any] = [document, configuration] if isinstance(configuration, dict) else [document]
    for place in places:
        secrets = place.get("secrets")
        if secrets and not _are_references(secrets):
            return "it has secrets in it"
    return ""


def _are_references(secrets: object) -> bool:
    """Whether they are in files of the hosts."""
    if not isinstance(secrets, dict):
        return False
    return all(isinstance(each, dict) and set(each) == {"file"} for each in secrets.values())
