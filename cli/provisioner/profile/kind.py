"""What profiles are called in messages about documents."""

from packager.base.documents.kind import DocumentKind

PROFILE = DocumentKind("profile", "profiles", extra="provisioner")
