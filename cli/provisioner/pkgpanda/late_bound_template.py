"""The template of a late-bound package: ID.dcos_config in the repository.

pkgpanda made the package of it and of the bound values when the host was set up. Here it becomes
files of a profile.
"""

from __future__ import annotations

import json
import re

from packager.base.errors import DataError, NotFound

from provisioner.pkgpanda.read_file import read_optional_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import NotRequired, TypedDict, TypeGuard

    from provisioner.profile.documents import FileDocument

    class TemplateFile(TypedDict):
        """A file of the template. permissions: octal digits."""

        path: str
        content: str
        permissions: NotRequired[str]


PLACEHOLDER_START = "LATE_BIND_PLACEHOLDER_START_"
PLACEHOLDER_END = "_LATE_BIND_PLACEHOLDER_END"
# What means something in a Jinja2 template, or would with a placeholder behind it.
JINJA_MARK = re.compile(r"\{[{%#]|\{\Z")
PKGINFO = "pkginfo.json"
MAX_NAME_SHOWN_CHARACTERS = 80


def read_template(path: str) -> list[TemplateFile]:
    """The files of a late-bound package's template (ID.dcos_config), as it says them: path, content
    and maybe permissions. Raises NotFound, DataError, PackagerError for errno."""
    from packager.base.documents.parser import parse

    from provisioner.profile.kind import PROFILE

    content = read_optional_file(path)
    if content is None:
        raise NotFound(f"{path}: there is no such file")
    document = parse(content, path, PROFILE)
    files = document.get("package")
    if set(document) != {"package"} or not isinstance(files, list):
        raise DataError(f"{path}: not the template of a package: its only key is 'package', a list")
    found: list[TemplateFile] = []
    for at, each in enumerate(files):
        if not _is_template_file(each):
            raise DataError(f"{path}: package[{at}]: a path and a content are needed, both texts")
        found.append(each)
    return found


def _is_template_file(value: object) -> TypeGuard[TemplateFile]:
    return (
        isinstance(value, dict)
        and {"path", "content"} <= set(value)
        and all(isinstance(each, str) for each in value.values())
    )


def profile_files(
    template: Iterable[TemplateFile], values: Mapping[str, object], secrets: Collection[str]
) -> list[FileDocument]:
    """The files of a profile that the template becomes. values: the bound ones; secrets: which of
    them are secrets. Pure. Raises DataError for a template that uses a value that is not bound."""
    return [_profile_file(each, values, secrets) for each in template if _path(each) != PKGINFO]


def _profile_file(
    each: TemplateFile, values: Mapping[str, object], secrets: Collection[str]
) -> FileDocument:
    text, used = _as_jinja(each["content"], _path(each), values, secrets)
    made: FileDocument = {"path": _path(each)}
    if used:
        made["template"] = text
    else:
        made["content"] = text
    # A file with a secret is for its owner only, whatever it was.
    if "permissions" in each and not used & set(secrets):
        made["mode"] = _mode(each)
    return made


def _mode(each: TemplateFile) -> str:
    try:
        return f"{int(each['permissions'], 8) & 0o755 | 0o600:04o}"
    except ValueError:
        raise DataError(
            f"{each['path']}: its permissions are {each['permissions']!r}; octal digits are needed"
        ) from None


def _path(each: TemplateFile) -> str:
    return each["path"].lstrip("/")


def _as_jinja(
    content: str, path: str, values: Mapping[str, object], secrets: Collection[str]
) -> tuple[str, set[str]]:
    """The content as a template of ours, if it has placeholders, and the values that it uses."""
    first, *rest = content.split(PLACEHOLDER_START)
    if not rest:
        return content, set()
    pieces = [_escaped(first)]
    used: set[str] = set()
    for each in rest:
        name, end, after = each.partition(PLACEHOLDER_END)
        if not end or name not in values:
            shown = name[:MAX_NAME_SHOWN_CHARACTERS]
            raise DataError(f"{path}: the template uses {shown!r}, which is not bound")
        kind = "secrets" if name in secrets else "values"
        pieces += ["{{ " + f"{kind}[{json.dumps(name)}]" + " }}", _escaped(after)]
        used.add(name)
    return "".join(pieces), used


def _escaped(text: str) -> str:
    """Text that a template shows as it is."""
    return JINJA_MARK.sub(lambda found: "{{ '" + found[0] + "' }}", text)
