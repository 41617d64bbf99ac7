"""Repositories: indexes, signatures, downloads, and making an index."""
