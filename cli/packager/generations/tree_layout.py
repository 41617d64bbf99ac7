"""What stands at the top of a generation's tree of links, and the mode of its directories."""

from __future__ import annotations

from packager.package.declarations import UNIT_DIRECTORIES

MODE = 0o755
UNITS = "units"
SOURCES = {
    "bin": ("bin",),
    "lib": ("lib",),
    "etc": ("etc",),
    "include": ("include",),
    UNITS: UNIT_DIRECTORIES,
}
# What else stands at the top of a generation, beside the packages' names.
RESERVED = frozenset(
    (*SOURCES, "environment", "environment.export", "buildinfo.json", "generation.json")
)
