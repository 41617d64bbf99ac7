"""What pkgpanda's setup was configured with on a host.

CONFIG/setup-flags/repository-url          where packages come from
CONFIG/setup-flags/active.json             the set to be activated, if it was given as a list
CONFIG/setup-flags/cluster-package-list    or the id of a list in the repository
CONFIG/setup-flags/late-config.yaml        late_bound_package_id, bound_values
"""

from __future__ import annotations

import json
import os

from packager.base.errors import Conflict, DataError

from provisioner.pkgpanda.read_file import read_optional_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

FLAGS_DIRECTORY = "setup-flags"
LATE_CONFIG_FILE = "late-config.yaml"
UNFINISHED_SETUP = "bootstrap"  # in pkgpanda's root, until its setup has ended


class SetupFlags:
    """None: not set. url: of the repository. values: the late-bound ones."""

    __slots__ = ("active", "late_id", "package_list", "url", "values")

    def __init__(
        self,
        *,
        url: str | None = None,
        active: list[str] | None = None,
        package_list: str | None = None,
        late_id: str | None = None,
        values: dict[str, object] | None = None,
    ) -> None:
        self.url = url
        self.active = active
        self.package_list = package_list
        self.late_id = late_id
        self.values = values or {}


def read_setup_flags(config_dirs: Sequence[str]) -> SetupFlags:
    """The setup flags in the first of these directories that has any. Raises DataError,
    PackagerError for errno."""
    candidates = [f"{each}/{FLAGS_DIRECTORY}" for each in config_dirs]
    place = next((each for each in candidates if os.path.isdir(each)), None)  # noqa: PTH112
    if place is None:
        return SetupFlags()
    url = _line(f"{place}/repository-url")
    package_list = _line(f"{place}/cluster-package-list")
    content = read_optional_file(f"{place}/active.json")
    active: list[str] | None = None
    if content is not None:
        try:
            active = json.loads(content)
            if not isinstance(active, list) or not all(isinstance(e, str) for e in active):
                raise ValueError("not a list of package ids")
        except (ValueError, RecursionError) as error:
            raise DataError(f"{place}/active.json: {error}") from None
    late_id, values = _late_config(f"{place}/{LATE_CONFIG_FILE}")
    return SetupFlags(
        url=url, active=active, package_list=package_list, late_id=late_id, values=values
    )


def refuse_unfinished_setup(root: str) -> None:
    """Raise Conflict if the setup of the pkgpanda at `root` has not come to its end."""
    if os.path.lexists(f"{root}/{UNFINISHED_SETUP}"):
        raise Conflict(
            f"{root}/{UNFINISHED_SETUP} is there: pkgpanda has not set this host up yet; "
            "let it finish first (pkgpanda setup)"
        )


def _late_config(path: str) -> tuple[str | None, dict[str, object]]:
    from packager.api import flaw_of_id

    content = read_optional_file(path)
    if content is None:
        return None, {}
    from packager.base.documents.parser import parse

    from provisioner.profile.kind import PROFILE

    document = parse(content, path, PROFILE)
    late_id, values = document.get("late_bound_package_id"), document.get("bound_values")
    if not isinstance(late_id, str) or flaw_of_id(late_id):
        raise DataError(f"{path}: late_bound_package_id: a package id is needed")
    if not isinstance(values, dict):
        raise DataError(f"{path}: bound_values: an object is needed")
    return late_id, values


def _line(path: str) -> str | None:
    content = read_optional_file(path)
    text = content.decode(errors="replace").strip() if content is not None else ""
    return text or None
