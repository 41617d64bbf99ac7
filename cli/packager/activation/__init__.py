"""Another set of packages becomes active: planned, switched, settled."""
