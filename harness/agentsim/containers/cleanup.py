"""Finds by its label what was made, and removes it: one's own, or what the dead have left."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from agentsim.containers import owner

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.networks import Network
    from docker.models.volumes import Volume

#: The label of all that is made; its value names the owner.
LABEL: Final = "mesos-packager.owner"


def sweep(client: DockerClient) -> list[str]:
    """Remove what was made by owners who live no more; the names of it.

    What belongs to another living process, or to one of which that can't be told from here, stays.
    """
    swept = []
    for each in labelled(client):
        made_by = owner.parse(_label(each))
        if made_by is not None and made_by.alive is False:
            swept.append(str(each.name))
            remove(each)
    return swept


def labelled(client: DockerClient, value: str | None = None) -> list[Container | Network | Volume]:
    """Containers, then networks and volumes, with the label; unless None, with that value of it."""
    filters: dict[str, str | list[str] | bool] = {
        "label": LABEL if value is None else f"{LABEL}={value}"
    }
    containers = client.containers.list(all=True, filters=filters, ignore_removed=True)
    networks, volumes = client.networks.list(filters=filters), client.volumes.list(filters=filters)
    return [*containers, *networks, *volumes]


def remove(each: Container | Network | Volume) -> None:
    """Remove a container, whatever it does, or a network or volume that nobody has any more."""
    # Somebody else may remove it at the same moment.
    with contextlib.suppress(NotFound):
        try:
            if isinstance(each, Container):
                each.remove(v=True, force=True)
            else:
                each.remove()
        except APIError as error:
            if "already in progress" not in str(error):
                raise


def _label(each: Container | Network | Volume) -> str:
    attributes: dict[str, Any] = each.attrs
    labels = attributes["Labels"] if "Labels" in attributes else attributes["Config"]["Labels"]
    return str((labels or {}).get(LABEL, ""))
