"""The package manager of one host: a crash-safe store."""

__version__ = "0.1.0"
