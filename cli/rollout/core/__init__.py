"""Decides, does no I/O: values in, values out."""
