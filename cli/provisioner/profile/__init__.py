"""Profiles: where they come from, parsed, validated."""
