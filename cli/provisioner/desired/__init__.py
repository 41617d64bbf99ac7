"""What a profile comes to on this host; found out, nothing done."""
