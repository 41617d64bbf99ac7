"""From a document to a profile: what is wrong with it is reported all at once."""

from __future__ import annotations

from packager.api import check_repositories
from packager.base.documents.schema_validation import invalid
from packager.base.errors import ConfigError, DataError

from provisioner.profile.model import Profile
from provisioner.profile.profile_rules import broken_rules
from provisioner.profile.schema_validation import fits_schema


def validate(document: dict[str, object], place: str) -> Profile:
    """The profile that `document` is; `place` is where it came from, for messages.

    Raises DataError with everything that is wrong, ConfigError if a library is missing.
    """
    reasons: list[str] = []
    if not fits_schema(document, reasons):
        raise invalid(place, reasons)
    profile = Profile(document)
    reasons = list(broken_rules(profile))
    if reasons:
        raise invalid(place, reasons)
    if profile.repositories is not None:
        try:
            check_repositories(profile.repositories, place)
        except ConfigError as error:
            raise DataError(str(error)) from None
    return profile


def refuse_invalid_layer(document: dict[str, object], place: str) -> None:
    """Raise DataError with everything that is wrong with one layer of a profile by itself."""
    reasons: list[str] = []
    if not fits_schema(document, reasons, is_layer=True):
        raise invalid(place, reasons)
