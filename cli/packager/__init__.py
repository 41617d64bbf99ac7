"""The package manager of one host: a store that is never half done."""

__version__ = "0.1.0"
