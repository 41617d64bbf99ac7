"""Renders the files of a profile's configuration. Nothing is written."""

from __future__ import annotations

from packager.base.errors import DataError

from provisioner.desired.configuration import ConfigurationFile
from provisioner.desired.configuration_package import pack_configuration
from provisioner.desired.package_templates import read_package_template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from provisioner.desired.configuration import Configuration
    from provisioner.profile.documents import FileDocument
    from provisioner.profile.model import Profile

PUBLIC_MODE, PRIVATE_MODE, GROUP_MODE = 0o644, 0o600, 0o640


def render_configuration(
    root: str,
    profile: Profile,
    *,
    ids: Iterable[str],
    roles: Sequence[str],
    secrets: Mapping[str, str],
    key: bytes,
    facts: Callable[[], Mapping[str, object]],
) -> Configuration:
    """The configuration of `profile` for a host with the packages `ids` and these roles.

    secrets: their texts by name. key: of the store's keyed digests. facts: called only if a
    template may use them. Raises DataError and NotFound for templates that are wrong or missing,
    ConfigError if a library is missing.
    """
    texts: dict[str, str] = {}  # templates, by the path of what is made of them
    places: dict[str, str] = {}  # what messages call them
    unknown = []
    for each in profile.files:
        path = each["path"]
        if "template" in each:
            texts[path], places[path] = each["template"], path
        elif "from" in each:
            template = read_package_template(root, path, each["from"], ids)
            if template is None:
                unknown.append(path)
            else:
                places[path], texts[path] = template
    rendered: dict[str, tuple[str, bool]] = {}
    facts_used: dict[str, object] = {}
    if texts:
        from provisioner.desired.template_process import render_templates
        from provisioner.desired.template_rendering import Template, TemplateVariables

        available = facts() if any("facts" in text for text in texts.values()) else {}
        variables = TemplateVariables(
            profile_name=profile.name,
            roles=roles,
            values=profile.values,
            secrets=secrets,
            facts=available,
        )
        templates = [Template(places[path], text) for path, text in texts.items()]
        for path, result in zip(texts, render_templates(templates, variables), strict=True):
            rendered[path] = (result.text, result.secret)
            facts_used |= {name: available.get(name) for name in result.facts}
    files = [
        _file(each, *rendered.get(each["path"], (each.get("content", ""), False)))
        for each in profile.files
        if each["path"] not in unknown
    ]
    files.sort(key=lambda file: file.path)
    return pack_configuration(profile, files, unknown, facts_used, key)


def _file(document: FileDocument, text: str, secret: bool) -> ConfigurationFile:
    mode = PUBLIC_MODE
    group = document.get("group")
    if secret:
        mode = PRIVATE_MODE if group is None else GROUP_MODE
    if "mode" in document:
        mode = int(document["mode"], 8)
    if secret and mode & (0o077 if group is None else 0o027):
        who, modes = ("its owner", "0600") if group is None else (f"{group} beside it", "0640")
        raise DataError(
            f"{document['path']} contains a secret, so only {who} may read it: "
            f"its mode can't be {mode:04o}; say {modes}, or nothing"
        )
    return ConfigurationFile(
        document["path"],
        text.encode(),
        mode,
        secret=secret,
        restart=document.get("restart", ()),
        owner=document.get("owner"),
        group=group,
    )
