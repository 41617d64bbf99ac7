"""One profile, a whole cluster."""
