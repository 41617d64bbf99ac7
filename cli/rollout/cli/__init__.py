"""The command line: what may be said, and how results are shown."""
