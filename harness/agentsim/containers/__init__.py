"""Containers as hosts, by the Docker SDK.

`engine` is there one; `images` find or build; `run` start, with limits; `container` one that was
started; `sweep` and `owner` who removes what.
"""
