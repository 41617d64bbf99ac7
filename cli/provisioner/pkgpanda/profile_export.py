"""A host of pkgpanda's as a profile: what its setup was told, and what it has become.

    CONFIG/roles/                              a file for each role
    CONFIG/setup-flags/repository-url          where packages come from
    CONFIG/setup-flags/active.json             the set to be activated, if it was given as a list
    CONFIG/setup-flags/cluster-package-list    or the id of a list in the repository
    CONFIG/setup-flags/late-config.yaml        late_bound_package_id, bound_values
    ROOT/active/                               the active set: what is true in the end

The late-bound package was made of a template in the repository and the bound values when the host
was set up, and is a package of the active set like any other. Its template, if it is at hand,
becomes files of the profile's configuration, and the bound values are theirs.
"""

from __future__ import annotations

import json
import os
import re

from packager.base.errors import Conflict, DataError, NotFound, from_os_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from provisioner.profile.model import Document

FLAGS = "setup-flags"
LATE_CONFIG = "late-config.yaml"
BOOTSTRAP = "bootstrap"  # in pkgpanda's root, until its setup has come to its end
START, END = "LATE_BIND_PLACEHOLDER_START_", "_LATE_BIND_PLACEHOLDER_END"
# What means something in a Jinja2 template, or would with a placeholder behind it.
MARK = re.compile(r"\{[{%#]|\{\Z")
PKGINFO = "pkginfo.json"
LARGEST = 16 << 20  # bytes of one file
SUSPICIOUS = ("password", "passwd", "secret", "token", "credential", "private")


class Flags:
    """What pkgpanda's setup was told; None for what it was not."""

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


def read_flags(config_dirs: Sequence[str]) -> Flags:
    """The setup flags in the first of these directories that has any. Raises DataError,
    PackagerError for errno."""
    place = next((f"{d}/{FLAGS}" for d in config_dirs if os.path.isdir(f"{d}/{FLAGS}")), None)  # noqa: PTH112
    if place is None:
        return Flags()
    url = _line(f"{place}/repository-url")
    package_list = _line(f"{place}/cluster-package-list")
    content = _content(f"{place}/active.json")
    active: list[str] | None = None
    if content is not None:
        try:
            active = json.loads(content)
            if not isinstance(active, list) or not all(isinstance(e, str) for e in active):
                raise ValueError("not a list of package ids")
        except (ValueError, RecursionError) as error:
            raise DataError(f"{place}/active.json: {error}") from None
    late_id, values = _late_config(f"{place}/{LATE_CONFIG}")
    return Flags(url=url, active=active, package_list=package_list, late_id=late_id, values=values)


def refuse_unfinished(root: str) -> None:
    """Raise Conflict if the setup of the pkgpanda at `root` has not come to its end."""
    if os.path.lexists(f"{root}/{BOOTSTRAP}"):
        raise Conflict(
            f"{root}/{BOOTSTRAP} is there: pkgpanda has not set this host up yet; let it finish "
            "first (pkgpanda setup)"
        )


def template(path: str) -> list[dict[str, str]]:
    """The files of a late-bound package's template (ID.dcos_config), as it says them: path, content
    and maybe permissions. Raises NotFound, DataError, PackagerError for errno."""
    from provisioner.profile.parser import parse

    content = _content(path)
    if content is None:
        raise NotFound(f"{path}: there is no such file")
    document = parse(content, path)
    files = document.get("package")
    if set(document) != {"package"} or not isinstance(files, list):
        raise DataError(f"{path}: not the template of a package: its only key is 'package', a list")
    for at, each in enumerate(files):
        known = isinstance(each, dict) and {"path", "content"} <= set(each)
        if not known or not all(isinstance(value, str) for value in each.values()):
            raise DataError(f"{path}: package[{at}]: a path and a content are needed, both texts")
    return files


def document(
    name: str,
    active: Sequence[str],
    roles: Sequence[str],
    flags: Flags,
    *,
    secrets: Collection[str] = (),
    late: Sequence[dict[str, str]] | None = None,
) -> Document:
    """The profile. secrets: which of the bound values are secrets. late: the files of the
    late-bound package's template, to be rendered here in place of that package. Pure.

    Raises DataError for a template that asks for what is not bound, or NotFound for a secret that
    is none of the values.
    """
    for each in secrets:
        if each not in flags.values:
            raise NotFound(f"no value of the name {each!r} is bound; --secrets names some that are")
    made: Document = {
        "profile": 1,
        "name": name,
        "description": _description(flags),
        "roles": list(roles),
    }
    if flags.url is not None and flags.url.startswith(("http://", "https://")):
        repository = {"name": "pkgpanda", "url": flags.url, "layout": "pkgpanda", "trust": "off"}
        made["repositories"] = [repository]
    made["packages"] = [each for each in active if late is None or each != flags.late_id]
    configuration: Document = {}
    values = {key: value for key, value in flags.values.items() if key not in secrets}
    hidden = {key: str(value) for key, value in flags.values.items() if key in secrets}
    if values:
        configuration["values"] = values
    if hidden:
        configuration["secrets"] = hidden
    if late:
        configuration["files"] = [
            _file(each, flags.values, secrets) for each in late if _path(each) != PKGINFO
        ]
    if configuration:
        made["configuration"] = configuration
    return made


def warnings(flags: Flags, active: Sequence[str], secrets: Collection[str]) -> list[str]:
    """What a person should know of what the profile does not say. Pure."""
    found = []
    if flags.url is not None and not flags.url.startswith(("http://", "https://")):
        found.append(f"the repository {flags.url} is left out: only http and https are known")
    if flags.active is not None:
        late = [flags.late_id] if flags.late_id else []
        if sorted({*flags.active, *late}) != sorted(active):
            found.append("active.json has other packages than the active set, which counts")
    if flags.late_id is not None and flags.late_id not in active:
        found.append(f"the late-bound package {flags.late_id} is not active; its values are kept")
    found += [
        f"the value {name} may be a secret; --secrets={name} makes it one"
        for name in flags.values
        if name not in secrets and any(word in name.lower() for word in SUSPICIOUS)
    ]
    return found


def profile_name(host: str) -> str:
    """A host's name as that of a profile. Pure."""
    found = "".join(
        character if character.isascii() and character.isalnum() else "-"
        for character in host.partition(".")[0].lower()
    )
    return "-".join(part for part in found.split("-") if part)[:64].strip("-") or "host"


def _description(flags: Flags) -> str:
    words = "taken over from pkgpanda"
    return f"{words}, package list {flags.package_list}" if flags.package_list else words


def _file(each: dict[str, str], values: dict[str, object], secrets: Collection[str]) -> Document:
    """A file of the template as a file of the profile."""
    text, used = _jinja(each["content"], _path(each), values, secrets)
    made: Document = {"path": _path(each), "template" if used else "content": text}
    # A file with a secret is for its owner only, whatever it was.
    if "permissions" in each and not used & set(secrets):
        made["mode"] = _mode(each)
    return made


def _mode(each: dict[str, str]) -> str:
    try:
        return f"{int(each['permissions'], 8) & 0o755 | 0o600:04o}"
    except ValueError:
        raise DataError(
            f"{each['path']}: its permissions are {each['permissions']!r}; octal digits are needed"
        ) from None


def _path(each: dict[str, str]) -> str:
    return each["path"].lstrip("/")


def _jinja(
    content: str, path: str, values: dict[str, object], secrets: Collection[str]
) -> tuple[str, set[str]]:
    """The content as a template of ours, if it has placeholders, and the values that it uses."""
    first, *rest = content.split(START)
    if not rest:
        return content, set()
    pieces = [_plain(first)]
    used = set()
    for each in rest:
        name, end, after = each.partition(END)
        if not end or name not in values:
            raise DataError(f"{path}: the template asks for {name[:80]!r}, which is not bound")
        kind = "secrets" if name in secrets else "values"
        pieces += ["{{ " + f"{kind}[{json.dumps(name)}]" + " }}", _plain(after)]
        used.add(name)
    return "".join(pieces), used


def _plain(text: str) -> str:
    """Text that a template shows as it is."""
    return MARK.sub(lambda found: "{{ '" + found[0] + "' }}", text)


def _late_config(path: str) -> tuple[str | None, dict[str, object]]:
    from packager.package.package_id import flaw

    content = _content(path)
    if content is None:
        return None, {}
    from provisioner.profile.parser import parse

    told: Any = parse(content, path)
    late_id, values = told.get("late_bound_package_id"), told.get("bound_values")
    if not isinstance(late_id, str) or flaw(late_id):
        raise DataError(f"{path}: late_bound_package_id: a package id is needed")
    if not isinstance(values, dict):
        raise DataError(f"{path}: bound_values: an object is needed")
    return late_id, values


def _line(path: str) -> str | None:
    content = _content(path)
    text = content.decode(errors="replace").strip() if content is not None else ""
    return text or None


def _content(path: str) -> bytes | None:
    """The content of a file, None if it is not there. Raises PackagerError for errno."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(LARGEST)
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        raise DataError(f"{path} is a directory; a file is needed") from None
    except OSError as error:
        raise from_os_error(error, path) from error
