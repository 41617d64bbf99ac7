"""A host of pkgpanda as a profile."""
