"""Is there a Docker engine, and can it do what is needed? If not: one sentence that says why.

The engine is the one that the `docker` command would talk to: DOCKER_HOST, or the current context.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from docker import DockerClient

#: What is used is in every engine since 19.03.
MINIMUM_API: Final = (1, 40)
MINIMUM_ENGINE: Final = "19.03"
_SECONDS: Final = 60


class NoEngine(Exception):
    """No engine can be used here; the text is one sentence that says why and what helps."""


def connect() -> DockerClient:
    """A client of the engine that the `docker` command would use.

    Raises:
        NoEngine: there is none, this user may not use it, or it can't do what is needed.
    """
    try:
        import docker
        from docker.context import ContextAPI
        from docker.errors import DockerException, InvalidVersion
    except ImportError:
        raise NoEngine("the Docker SDK is missing: install agentsim[containers]") from None
    address = os.environ.get("DOCKER_HOST", "")
    try:
        if address:
            client = docker.from_env(timeout=_SECONDS)
        else:
            context = ContextAPI.get_current_context()
            address = str(context.Host)
            client = docker.DockerClient(base_url=address, tls=context.TLSConfig, timeout=_SECONDS)
        version: dict[str, Any] = client.version()
    except InvalidVersion as error:
        raise NoEngine(f"the engine at {address} is too old or too new: {error}") from None
    except (DockerException, OSError, ValueError) as error:
        raise NoEngine(sentence(error, address)) from None
    refusal = unfit(version, address)
    if refusal:
        client.close()
        raise NoEngine(refusal)
    return client


def unfit(version: dict[str, Any], address: str) -> str:
    """Why an engine is not fit; empty if it is. Pure.

    Args:
        version: what the engine says at `/version`.
        address: where it is.
    """
    api_version = str(version["ApiVersion"])
    if tuple(map(int, api_version.split("."))) < MINIMUM_API:
        return (
            f"the Docker engine {version.get('Version')} at {address} is too old"
            f" (API {api_version}): {MINIMUM_ENGINE} or newer is needed"
        )
    system = version.get("Os", "linux")
    if system != "linux":
        return f"the Docker engine at {address} runs containers of {system}: Linux is needed"
    return ""


def sentence(error: BaseException, address: str) -> str:
    """What an error on the way to an engine means. Pure."""
    causes = list(_causes(error))
    if any(isinstance(cause, PermissionError) for cause in causes):
        return (
            f"this user may not use the Docker engine at {address}: join its group"
            " (usermod -aG docker USER, then log in again), or run this as root"
        )
    if any(isinstance(cause, FileNotFoundError | ConnectionRefusedError) for cause in causes):
        return (
            f"no Docker engine answers at {address}: start one (systemctl start docker), or name"
            " another with DOCKER_HOST"
        )
    return f"no Docker engine can be used at {address}: {error}"


def _causes(error: BaseException) -> list[BaseException]:
    """An error with all that it was raised from, or holds as an argument."""
    found: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting:
        each = waiting.pop()
        if isinstance(each, tuple | list):
            waiting += each
        elif isinstance(each, BaseException) and each not in found:
            found.append(each)
            waiting += [each.args, each.__cause__, each.__context__, getattr(each, "reason", None)]
    return found


def shortcomings(info: dict[str, Any]) -> list[str]:
    """What a usable engine can't do, a sentence each. Pure.

    Args:
        info: what the engine says at `/info`.
    """
    can = {
        "MemoryLimit": "the engine can't limit memory (its kernel or control groups lack it)",
        "SwapLimit": "the engine can't keep containers from swap",
        "PidsLimit": "the engine can't limit the number of processes",
    }
    return [sentence for name, sentence in can.items() if not info.get(name, False)]


def starts_slowly(info: dict[str, Any]) -> bool:
    """Whether programs start several times as slowly from images as from elsewhere. Pure.

    With such storage every look at a file of an image is a question to a program of its own.

    Args:
        info: what the engine says at `/info`.
    """
    return info.get("Driver") == "fuse-overlayfs"
