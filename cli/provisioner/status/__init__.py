"""In what the host differs from what it should be, and what an apply would do."""
