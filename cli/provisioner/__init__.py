"""Brings a host to the state that a profile describes, and keeps it there; built on packager."""
