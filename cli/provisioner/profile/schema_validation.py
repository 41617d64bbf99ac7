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


def fits_schema(
    document: dict[str, object], reasons: list[str], *, is_layer: bool = False
) -> TypeGuard[ProfileDocument]:
    """Whether the document is a profile by the schema; why it is not is added to `reasons`.
    is_layer: it may leave to another layer what every profile must have."""
    required = ["profile"] if is_layer else None
    reasons += schema_violations(document, SCHEMA_PATH, PROFILE, required=required)
    return not reasons
