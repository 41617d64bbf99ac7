"""Validates a document by profile.schema.json."""

from __future__ import annotations

import os

from packager.base.documents.schema_validation import schema_violations

from provisioner.profile.kind import PROFILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeGuard

    from provisioner.profile.documents import ProfileDocument

SCHEMA_PATH = os.path.join(os.path.dirname(__file__), "profile.schema.json")  # noqa: PTH118, PTH120


def fits_schema(document: dict[str, object], reasons: list[str]) -> TypeGuard[ProfileDocument]:
    """Whether the document is a profile by the schema; why it is not is added to `reasons`."""
    reasons += schema_violations(document, SCHEMA_PATH, PROFILE)
    return not reasons
