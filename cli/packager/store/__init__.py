"""The packages on the disk: locks, staging, adding, reading, comparing with what was added."""
