"""Reads the profiles that a profile includes, and lays it over them.

Each layer is validated by itself, so that a mistake is told with the file that has it; what they
come to together is validated as every profile is.
"""

from __future__ import annotations

import os

from packager.base.documents.parser import parse
from packager.base.errors import DataError

from provisioner.profile.kind import PROFILE
from provisioner.profile.layers import INCLUDE, lay_over
from provisioner.profile.secret_values import has_inline_secrets
from provisioner.profile.source import read_layer
from provisioner.profile.validation import refuse_invalid_layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.base.events import Emit

MAX_LAYERS = 64
MAX_DEPTH_LEVELS = 8
LENGTH_BYTES = 8


class Layers:
    """A profile with all that it includes. document: what they come to. content: the bytes of all
    of them, for a digest. places: the files, the lowest first, without that of the profile."""

    __slots__ = ("content", "document", "places")

    def __init__(self, document: dict[str, object], content: bytes, places: list[str]) -> None:
        self.document = document
        self.content = content
        self.places = places


def resolve_layers(
    document: dict[str, object], content: bytes, place: str, directory: str | None, emit: Emit
) -> Layers:
    """Read what `document`, of the bytes `content` at `place`, includes, and lay it over that.

    directory: what paths are relative to; None: the profile is in no file. Event: `warning` for a
    layer with secrets that everybody can read. Raises NotFound, DataError, PackagerError for errno.
    """
    reader = _Reader(emit)
    merged = reader.merged(document, content, place, directory, ())
    return Layers(merged, b"".join(reader.pieces), reader.places)


class _Reader:
    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self.pieces: list[bytes] = []
        self.places: list[str] = []

    def merged(
        self,
        document: dict[str, object],
        content: bytes,
        place: str,
        directory: str | None,
        above: tuple[str, ...],
    ) -> dict[str, object]:
        """The layer over what it includes. above: the files that include it, real paths."""
        refuse_invalid_layer(document, place)
        self.pieces += [len(content).to_bytes(LENGTH_BYTES, "big"), content]
        own = {key: value for key, value in document.items() if key != INCLUDE}
        included = document.get(INCLUDE, [])
        assert isinstance(included, list)
        lower: dict[str, object] = {}
        for at, path in enumerate(included):
            here = f"{place}: include[{at}]"
            lower = lay_over(lower, self._included(path, here, directory, above))
        return lay_over(lower, own) if included else own

    def _included(
        self, path: str, here: str, directory: str | None, above: tuple[str, ...]
    ) -> dict[str, object]:
        if directory is None and not os.path.isabs(path):  # noqa: PTH117
            raise DataError(
                f"{here}: {path} is relative, and this profile is in no file: give an absolute path"
            )
        file = os.path.join(directory or "/", path)  # noqa: PTH118
        real = os.path.realpath(file)
        if real in above:
            raise DataError(f"{here}: {path} includes itself")
        if len(above) >= MAX_DEPTH_LEVELS or len(self.places) >= MAX_LAYERS:
            raise DataError(
                f"{here}: at most {MAX_LAYERS} profiles may be included, {MAX_DEPTH_LEVELS} levels "
                "deep"
            )
        found = read_layer(file)
        document = parse(found.content, file, PROFILE)
        inner = os.path.dirname(file)  # noqa: PTH120
        merged = self.merged(document, found.content, file, inner, (*above, real))
        self.places.append(file)
        configuration = document.get("configuration", {})
        assert isinstance(configuration, dict)
        if found.is_public and has_inline_secrets(configuration.get("secrets", {})):
            self._emit(
                "warning",
                message=f"{file} has secrets in it and can be read by everybody: chmod o= it, or "
                "keep them in files of their own",
            )
        return merged
