"""What is installed: the names in ROOT/packages, nothing else is read.

A package appears and disappears by one rename, so a listing needs no lock and never sees half of
one. The whole process `packager list` is measured: this module imports nothing that Python's
start has not imported already.
"""

import os

from packager.package.package_id import flaw


def installed_ids(root: str) -> list[str]:
    """The ids in the store at `root`, sorted; a store that is not there yet is empty.

    Entries that are not a directory with a well-formed id are no packages and are left out.
    Raises the PackagerError of whatever keeps the directory from being read.
    """
    try:
        with os.scandir(f"{root}/packages") as entries:
            ids = [e.name for e in entries if not flaw(e.name) and e.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    except OSError as error:
        from packager.base.errors import from_os_error

        raise from_os_error(error, store=root) from error
    ids.sort()
    return ids


def has_tree(root: str, package_id: str) -> bool:
    """Whether the package's directory is there, and is one."""
    place = f"{root}/packages/{package_id}"
    return os.path.isdir(place) and not os.path.islink(place)  # noqa: PTH112, PTH114
