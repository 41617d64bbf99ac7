"""Strategies as people write them: parsed, checked, made values of the core."""
