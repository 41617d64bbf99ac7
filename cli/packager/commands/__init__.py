"""One module a command: from parsed values to an exit status."""
