"""A generation: one set of packages that is or was active, and the document that tells of it.

    ROOT/active -> generations/<n>           the active one; absent: nothing is active
    ROOT/generations/<n>/generation.json     the document, in the tree of links (see `link_tree`)
    ROOT/history/<n>.json                    the same file by another name (a hard link)

A generation exists if it is in history/; its tree may be gone, to be made again when somebody goes
back to it. Only the newest may lack its place in history, for the moment after the switch in which
the command that made it may be killed: then it is active, and its tree has the document.

The document holds what each package says of the host (see `declarations`), so that
no later activation has to read a package that stays as it is. It holds the hashes of the files that
stand beside the links too, and at its end the hash of all that comes before, for `verify`.
"""

from __future__ import annotations

import json
import os

from packager.base.errors import DataError, NotFound
from packager.package.package_id import flaw, split_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.package.declarations import Declarations

FORMAT = 1
DOCUMENT = "generation.json"
SUM = b',"sha256":"'  # stands before the hash at the end


class Generation:
    """What is known of one generation; who made it and when is filled in when it is made."""

    __slots__ = (
        *("command", "files", "links", "number", "packages"),
        *("previous", "request_id", "roles", "shares", "time", "who"),
    )

    def __init__(
        self,
        *,
        number: int,
        packages: dict[str, Declarations],
        roles: tuple[str, ...] = (),
        previous: int | None = None,
        time: str = "",
        who: str = "",
        request_id: str | None = None,
        command: str = "",
        files: dict[str, str] | None = None,
        links: int | None = None,
        shares: bool = False,
    ) -> None:
        self.number = number
        self.packages = packages  # ids to what they declare, sorted by id
        self.roles = roles  # sorted
        self.previous = previous  # the number of the generation that was active before
        self.time = time  # when it was made, UTC, RFC 3339
        self.who = who
        self.request_id = request_id  # of the HTTP request, if one asked for it
        self.command = command  # activate, deactivate, swap, rollback
        self.files = files or {}  # names and SHA-256 of what stands beside the links
        self.shares = shares  # whether packages have the same file at a path
        self.links = links  # how many its tree has; None in documents that do not tell

    @property
    def names(self) -> dict[str, str]:
        """Package names to ids."""
        return {split_id(each)[0]: each for each in self.packages}

    def encode(self) -> bytes:
        """The document."""
        document = {
            "format": FORMAT,
            "generation": self.number,
            "previous": self.previous,
            "time": self.time,
            "who": self.who,
            "request_id": self.request_id,
            "command": self.command,
            "roles": self.roles,
            "files": self.files,
            "links": self.links,
            **({"shares": True} if self.shares else {}),
            "packages": self.packages,
        }
        body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()[:-1]
        return body + _end(body)


def is_whole(content: bytes) -> bool:
    """Whether this is what `encode` has written, not changed in any way."""
    body = content[: content.rfind(SUM)]
    return content == body + _end(body)


def _end(body: bytes) -> bytes:
    from packager.base.digest import sha256

    return SUM + sha256(body).encode() + b'"}\n'


def decode(content: bytes, place: str) -> Generation:
    """The generation told of by `content`, the bytes of the file at `place`. Raises DataError."""
    try:
        document = json.loads(content)
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}, {FORMAT} is known")
        packages = document["packages"]
        for each, declared in packages.items():
            if flaw(each) or not isinstance(declared, dict):
                raise ValueError(f"{each!r} is not a package")
        links = document.get("links")
        if links is not None and not isinstance(links, int):
            raise ValueError(f"{links!r} is not a number of links")
        return Generation(
            number=int(document["generation"]),
            packages=packages,
            roles=tuple(document["roles"]),
            previous=document["previous"],
            time=document["time"],
            who=document["who"],
            request_id=document["request_id"],
            command=document["command"],
            files=document.get("files"),
            links=links,
            shares=document.get("shares", False) is True,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{place}: not the document of a generation: {error}") from error


def active_number(root: str) -> int | None:
    """The number of the active generation, None if nothing is active.

    Raises OSError, and DataError if `active` is not what packager makes of it.
    """
    try:
        target = os.readlink(f"{root}/active")  # noqa: PTH115
    except FileNotFoundError:
        return None
    directory, _, name = target.partition("/")
    if directory != "generations" or not is_number(name):
        raise DataError(f"{root}/active leads to {target!r}, which is not a generation")
    return int(name)


def is_number(name: str) -> bool:
    """Whether `name` is the name of a generation: a number from 1 on, without leading zeros."""
    return name.isascii() and name.isdigit() and not name.startswith("0")


def read_generation(root: str, number: int) -> Generation:
    """Generation `number`. Raises NotFound, DataError, OSError."""
    for place in (f"{root}/history/{number}.json", f"{root}/generations/{number}/{DOCUMENT}"):
        try:
            with open(place, "rb") as file:  # noqa: PTH123
                return decode(file.read(), place)
        except FileNotFoundError:
            continue
    raise NotFound(f"generation {number} is not kept in {root}; see 'packager history'")


def active_generation(root: str) -> Generation | None:
    """The active generation, None if nothing is active. Raises DataError, OSError."""
    for _ in range(100):
        number = active_number(root)
        if number is None:
            return None
        try:
            return read_generation(root, number)
        except NotFound:  # the next activation and a gc came between the two reads, or it is lost
            if number == active_number(root):
                raise
    raise DataError(f"{root}/active changes faster than it can be read")


def kept_numbers(root: str) -> list[int]:
    """The numbers of all generations, sorted. Raises DataError, OSError."""
    try:
        names = os.listdir(f"{root}/history")  # noqa: PTH208
    except FileNotFoundError:
        names = []
    stems = [name.removesuffix(".json") for name in names if name.endswith(".json")]
    numbers = {int(stem) for stem in stems if is_number(stem)}
    active = active_number(root)
    return sorted(numbers if active is None else numbers | {active})


def users_of(root: str, package_id: str) -> list[int]:
    """The generations that need a package. Raises DataError, OSError.

    A document is parsed only if the id stands in it somewhere.
    """
    found = []
    quoted = f'"{package_id}"'.encode()
    for number in kept_numbers(root):
        for place in (f"{root}/history/{number}.json", f"{root}/generations/{number}/{DOCUMENT}"):
            try:
                with open(place, "rb") as file:  # noqa: PTH123
                    content = file.read()
            except FileNotFoundError:
                continue
            if quoted in content and package_id in decode(content, place).packages:
                found.append(number)
            break
    return found
