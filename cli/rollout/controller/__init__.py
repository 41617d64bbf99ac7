"""What a controller does: it looks, compares, acts."""
