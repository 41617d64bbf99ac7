"""Bringing the host to what a profile says."""
