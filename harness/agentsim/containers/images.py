"""The project's images: found in the engine, or built from the project's own tree."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from docker.errors import APIError, ImageNotFound
from docker.utils.build import exclude_paths

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

REPOSITORY: Final = "mesos-packager"
#: A digest of the tree that an image was built from.
SOURCE_LABEL: Final = "mesos-packager.source"
#: The stage of the Dockerfile that an image without a name is of.
STAGE_LABEL: Final = "mesos-packager.stage"
_LAST_LINES: Final = 20
_USED: Final = " ---> "


class NoImage(Exception):
    """There is no such image, or it is of another tree; the text says so, and what helps."""


class BuildFailed(Exception):
    """An image can't be built; the text is the end of what the build said."""


def name(target: str) -> str:
    """The name of the image of a target of the Dockerfile."""
    return f"{REPOSITORY}:{target}"


def find(client: DockerClient, image: str) -> Image:
    """An image that the engine has.

    Raises:
        NoImage: it has none.
    """
    try:
        return client.images.get(image)
    except ImageNotFound:
        remedy = "`nox -s docker` builds it" if image.startswith(f"{REPOSITORY}:") else "pull it"
        raise NoImage(f"the Docker engine has no image {image}: {remedy}") from None


def find_current(client: DockerClient, target: str, tree: Path) -> Image:
    """The image of a target, if it was built from a tree as that is now.

    Raises:
        NoImage: there is none, or it is of another state of the tree.
    """
    image = find(client, name(target))
    if image.labels.get(SOURCE_LABEL) != digest(tree):
        raise NoImage(f"the image {name(target)} is not of this tree: `nox -s docker` builds it")
    return image


def build(
    client: DockerClient,
    tree: Path,
    target: str,
    arguments: Mapping[str, str],
    network: str | None,
    say: Callable[[str], None],
) -> Image:
    """Build the image of a target; what Docker has of it already is taken as it is.

    What the same target and its stages were before is removed, but for what this build has used.

    Args:
        tree: the project's directory.
        target: one of the Dockerfile's.
        arguments: build arguments.
        network: the engine's for the build's steps, such as `host`; None for its default.
        say: is told each line of the build.

    Raises:
        BuildFailed: a step failed.
    """
    lines: list[str] = []
    before = {each.id for each in client.images.list(name(target))}
    try:
        events = client.api.build(
            path=str(tree),
            tag=name(target),
            target=target,
            network_mode=network,
            buildargs={**arguments, "SOURCE": digest(tree)},
            rm=True,
            forcerm=True,
            decode=True,
        )
        for event in events:
            if "error" in event:
                lines += str(event["error"]).splitlines()
                raise BuildFailed("\n".join(lines[-_LAST_LINES:]))
            for line in str(event.get("stream", "")).splitlines():
                if line.strip():
                    lines.append(line)
                    say(line)
    except APIError as error:
        raise BuildFailed(str(error.explanation or error)) from None
    image = client.images.get(name(target))
    for old in (before - {image.id}) | _superseded(client, lines):
        # Somebody may still use it, or have given it another name.
        with contextlib.suppress(APIError):
            client.images.remove(str(old))
    return image


def _superseded(client: DockerClient, lines: Sequence[str]) -> set[str | None]:
    """The images of former builds' stages that a build has put others in the place of.

    Args:
        client: of the engine.
        lines: what the build said; the older builder names the image of each step, and the newer
            one leaves none.
    """
    used = {line.removeprefix(_USED).strip() for line in lines if line.startswith(_USED)}
    last = client.images.list(filters={"dangling": True, "label": STAGE_LABEL})
    current = [each for each in last if str(each.id).removeprefix("sha256:")[:12] in used]
    stages = {each.labels[STAGE_LABEL] for each in current}
    return {each.id for each in last if each not in current and each.labels[STAGE_LABEL] in stages}


def digest(tree: Path) -> str:
    """A digest of all that an image of the project is made of: names, modes and contents."""
    patterns = (tree / ".dockerignore").read_text(encoding="utf-8").splitlines()
    whole = hashlib.sha256()
    for file in sorted(exclude_paths(str(tree), [line for line in patterns if line])):
        path = tree / file
        if path.is_file():
            content = path.read_bytes()
            executable = bool(path.stat().st_mode & 0o100)
            whole.update(f"{file}\0{len(content)}\0{executable:d}\0".encode())
            whole.update(content)
    return whole.hexdigest()
