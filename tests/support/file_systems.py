"""File systems of a test's own, mounted while it runs."""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MS_RDONLY, MS_BIND = 1, 1 << 12  # mount(2)
MNT_DETACH = 2


@contextmanager
def mounted(
    kind: str, source: str | Path, target: Path, data: str = "", *, flags: int = 0
) -> Iterator[Path]:
    """Mount `source` at `target` inside the block; kind "bind": the directory `source`. Raises
    OSError."""
    bind = kind == "bind"
    arguments = (str(source), str(target), None if bind else kind)
    encoded = (None if each is None else os.fsencode(each) for each in arguments)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(*encoded, ctypes.c_ulong(MS_BIND if bind else flags), data.encode() or None):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))
    try:
        yield target
    finally:
        libc.umount2(os.fsencode(target), MNT_DETACH)


@contextmanager
def image_layer(lower: Path, top: Path) -> Iterator[Path]:
    """What a container finds of the directory `lower` of its image, inside the block and at its
    path: an overlay file system that renames no directory of the image's. `top`: a directory, not
    there yet, for what is written."""
    for name in ("upper", "work"):
        (top / name).mkdir(parents=True)
    data = f"lowerdir={lower},upperdir={top}/upper,workdir={top}/work,redirect_dir=off"
    with mounted("overlay", "overlay", lower, data) as merged:
        yield merged


def why_no_mounts(kind: str) -> str:
    """The reason why no file system of this kind can be mounted here; empty if one can."""
    if os.geteuid() != 0:
        return "only root can mount"
    with tempfile.TemporaryDirectory() as top:
        place = Path(top)
        (place / "lower").mkdir()
        try:
            if kind == "overlay":
                with image_layer(place / "lower", place / "top"):
                    return ""
            with mounted(kind, "none" if kind != "bind" else place, place / "lower"):
                return ""
        except OSError as error:
            return f"no {kind} can be mounted here: {error.strerror}"
