"""Puts the package of the configuration into the store."""

from __future__ import annotations

import io

from packager.base.digest import sha256
from packager.base.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.api import Store
    from packager.base.events import Emit

    from provisioner.desired.configuration import Configuration


def install_configuration(store: Store, configuration: Configuration, emit: Emit) -> bool:
    """Add the package if it is not there; whether it was there and damaged.

    Events: `rendered` (id, files, changed); `repaired` (id) for a damaged record. A damaged tree is
    left to `package_repair`. Raises PackagerError.
    """
    package_id, archive = configuration.package_id, configuration.archive
    if package_id is None:
        return False
    secret = configuration.secret
    try:
        added = store.add(io.BytesIO(archive), package_id=package_id, private=secret)
    except DataError:
        # Its record is damaged. The id is made of the archive's digest, so that may vouch for it.
        digest = sha256(archive)
        store.repair(package_id, io.BytesIO(archive), sha256=digest, private=secret, emit=emit)
        emit("repaired", id=package_id)
        return True
    emit("rendered", id=package_id, files=len(configuration.files), changed=added.changed)
    return not added.changed and bool(store.verify([package_id])[0].differences)
