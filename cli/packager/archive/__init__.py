"""Archives: read strictly, unpacked, built."""
