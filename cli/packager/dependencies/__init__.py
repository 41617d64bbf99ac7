"""Which packages may be active together, and finding a set that may."""
