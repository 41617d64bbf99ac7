"""The command line: its definition, two parsers, output and progress."""
