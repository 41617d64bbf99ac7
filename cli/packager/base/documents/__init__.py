"""Documents that people write (profiles and their like): read, parsed, checked by a schema."""
