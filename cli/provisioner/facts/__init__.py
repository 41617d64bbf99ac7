"""What this host is."""
