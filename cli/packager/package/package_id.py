"""Package ids: `<name>--<version>`.

pkgpanda's rule (name `[a-zA-Z0-9@_+][a-zA-Z0-9@._+-]*`, version `[a-zA-Z0-9@_+:.]+`, exactly one
`--`), made tighter: ASCII only, no trailing newline, no `..`, at most 255 bytes, so that an id is
always one harmless path component. `list` imports this: no regular expressions here.
"""

LETTERS_AND_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
NAME_FIRST = LETTERS_AND_DIGITS + "@_+"
NAME_REST = NAME_FIRST + ".-"
VERSION = NAME_FIRST + ":."
LONGEST = 255  # NAME_MAX of Linux file systems


class PackageId:
    """A well-formed id, in its two parts."""

    __slots__ = ("name", "version")

    def __init__(self, name: str, version: str) -> None:
        self.name = name
        self.version = version

    def __str__(self) -> str:
        return f"{self.name}--{self.version}"

    def __repr__(self) -> str:
        return f"PackageId({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PackageId) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


def flaw(text: str) -> str | None:
    """What is wrong with `text` as an id, or None. Called once a name by `list`, hence its form:
    `str.strip` of a set leaves nothing exactly if every character is of the set."""
    name, dashes, version = text.partition("--")
    if not dashes:
        return "it has no '--' between name and version"
    if not name or name[0] not in NAME_FIRST or name.strip(NAME_REST):
        return "the name before '--' must be of A-Z a-z 0-9 @ . _ + - and not begin with . or -"
    if not version or version.strip(VERSION):
        return "the version after '--' must be of A-Z a-z 0-9 @ . _ + :"
    if ".." in text:
        return "it may not contain '..'"
    if len(text) > LONGEST:
        return f"it is longer than {LONGEST} bytes"
    return None


def parse_id(text: str) -> PackageId:
    """The id written as `text`; UsageError says what is wrong with it."""
    reason = flaw(text)
    if reason is not None:
        from packager.base.errors import UsageError

        shown = text if len(text) <= LONGEST else text[:LONGEST] + "..."
        raise UsageError(f"{shown!r} is not a package id: {reason}")
    return PackageId(*split_id(text))


def split_id(package_id: str) -> tuple[str, str]:
    """Name and version of an id known to be well-formed, as `list` has thousands of them."""
    name, _, version = package_id.partition("--")
    return name, version
