"""The configuration file: which repositories there are, in what order, and whom to believe.

TOML, since people write it and want to explain themselves in comments:

    [[repositories]]
    name = "main"
    url = "https://repo.example/packages/"
    mirrors = ["https://mirror.example/packages/", "/srv/packages"]
    trust = "require"                      # or "warn", or "off"
    keys = ["ed25519:5d0c…"]
    threshold = 1
    layout = "index"                       # or "pkgpanda"

Everything is checked when it is read; every error names the file, the place in it and the reason.
"""

from __future__ import annotations

import tomllib

from packager.base.errors import ConfigError, from_os_error
from packager.repositories import urls

DEFAULT_PATH = "/etc/packager/config.toml"
MAX_FILE_BYTES = 1 << 20  # bytes of a configuration file
MAX_REPOSITORIES = 64
MAX_MIRRORS = 32
NAME_FIRST = "abcdefghijklmnopqrstuvwxyz0123456789"
NAME_REST = NAME_FIRST + "._-"
KEY_PREFIX = "ed25519:"

REQUIRE, WARN, OFF = "require", "warn", "off"
INDEX, PKGPANDA = "index", "pkgpanda"


class Repository:
    """One repository as it is configured. URLs end with a slash; the first one is its own."""

    __slots__ = ("keys", "layout", "name", "threshold", "trust", "urls")

    def __init__(
        self,
        name: str,
        urls: tuple[str, ...],
        *,
        trust: str = REQUIRE,
        keys: tuple[str, ...] = (),
        threshold: int = 1,
        layout: str = INDEX,
    ) -> None:
        self.name = name
        self.urls = urls
        self.trust = trust
        self.keys = keys  # raw Ed25519 public keys in hexadecimal
        self.threshold = threshold  # how many of the keys must have signed
        self.layout = layout


def load(path: str | None) -> tuple[Repository, ...]:
    """The repositories, in order, of the file at `path` (None: the default one, which may be
    missing). Raises ConfigError."""
    place = path or DEFAULT_PATH
    try:
        with open(place, "rb") as file:  # noqa: PTH123
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        if path is None:
            return ()
        raise ConfigError(f"{place}: there is no such file") from None
    except OSError as error:
        raise ConfigError(str(from_os_error(error, place))) from error
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"{place}: it is larger than {MAX_FILE_BYTES} bytes")
    return parse(content, place)


def parse(content: bytes, place: str) -> tuple[Repository, ...]:
    """The repositories that a configuration's text names; `place` is its path, for errors."""
    try:
        document = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{place}: {error}") from None
    try:
        _known(document, ("repositories",), "")
    except _Wrong as wrong:
        raise ConfigError(f"{place}: {wrong.place}: {wrong.reason}") from None
    return repositories(document.get("repositories", []), place)


def repositories(value: object, place: str) -> tuple[Repository, ...]:
    """The repositories of the list `value`, found in a document at `place`. Raises ConfigError."""
    try:
        found = _list(value, "repositories", MAX_REPOSITORIES)
        made = tuple(_repository(each, at) for at, each in enumerate(found))
        names = [each.name for each in made]
        for at, name in enumerate(names):
            if name in names[:at]:
                raise _Wrong(f"repositories[{at}].name", f"{name!r} is given twice")
    except _Wrong as wrong:
        raise ConfigError(f"{place}: {wrong.place}: {wrong.reason}") from None
    return made


class _Wrong(Exception):
    """Something at a place in the document."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place = place
        self.reason = reason


def _repository(value: object, at: int) -> Repository:
    place = f"repositories[{at}]"
    if not isinstance(value, dict):
        raise _Wrong(place, "a table is needed, as [[repositories]] begins one")
    known = ("name", "url", "mirrors", "trust", "keys", "threshold", "layout")
    _known(value, known, place + ".")
    for needed in ("name", "url"):
        if needed not in value:
            raise _Wrong(place, f"it has no {needed}")
    mirrors = _list(value.get("mirrors", []), f"{place}.mirrors", MAX_MIRRORS)
    repository = Repository(
        _name(value["name"], f"{place}.name"),
        (
            _url(value["url"], f"{place}.url"),
            *(_url(each, f"{place}.mirrors[{i}]") for i, each in enumerate(mirrors)),
        ),
        trust=_choice(value.get("trust", REQUIRE), f"{place}.trust", (REQUIRE, WARN, OFF)),
        keys=_keys(value.get("keys", []), f"{place}.keys"),
        threshold=_threshold(value.get("threshold", 1), f"{place}.threshold"),
        layout=_choice(value.get("layout", INDEX), f"{place}.layout", (INDEX, PKGPANDA)),
    )
    _check_trust(repository, place)
    return repository


def _check_trust(repository: Repository, place: str) -> None:
    """What can't be verified must be said to be so: nobody should believe it is by oversight."""
    if repository.layout == PKGPANDA:
        if repository.trust == REQUIRE:
            raise _Wrong(
                f"{place}.trust", 'the layout "pkgpanda" has no signatures; say "off" or "warn"'
            )
    elif repository.trust != OFF and not repository.keys:
        raise _Wrong(
            f"{place}.keys",
            f'"{repository.trust}" needs the public keys to believe; '
            'without any, say trust = "off"',
        )
    if repository.keys and repository.threshold > len(repository.keys):
        raise _Wrong(f"{place}.threshold", f"there are only {len(repository.keys)} keys")


def _known(table: dict[str, object], keys: tuple[str, ...], prefix: str) -> None:
    for key in table:
        if key not in keys:
            raise _Wrong(f"{prefix}{key}", f"unknown key; the known ones are {', '.join(keys)}")


def _list(value: object, place: str, most: int) -> list[object]:
    if not isinstance(value, list):
        raise _Wrong(place, f"a list is needed, not {_kind(value)}")
    if len(value) > most:
        raise _Wrong(place, f"there are more than {most}")
    return value


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise _Wrong(place, f"a string is needed, not {_kind(value)}")
    return value


def _choice(value: object, place: str, choices: tuple[str, ...]) -> str:
    text = _text(value, place)
    if text not in choices:
        raise _Wrong(place, f"{text!r} is none of {', '.join(choices)}")
    return text


def _name(value: object, place: str) -> str:
    text = _text(value, place)
    if not text or len(text) > 64 or text[0] not in NAME_FIRST or text.strip(NAME_REST):
        raise _Wrong(place, f"{text!r}: up to 64 of a-z 0-9 . _ - are needed, not first . _ -")
    return text


def _url(value: object, place: str) -> str:
    text = _text(value, place)
    if text.startswith("/") and "\0" not in text:
        text = urls.of_path(text)
    if urls.is_file_url(text):
        try:
            urls.local_path(text)
        except urls.Malformed as malformed:
            raise _Wrong(place, str(malformed)) from None
    elif not urls.is_url(text):
        raise _Wrong(place, "an http, https or file URL is needed, or the path of a directory")
    else:
        reason = urls.flaw(text)
        if reason is not None:
            raise _Wrong(place, f"it is not a URL: {reason}")
    if "?" in text or "#" in text:
        raise _Wrong(place, "a directory's URL has no query and no fragment")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise _Wrong(
            place, "it has a character that must be percent-encoded (in a host's name: as xn--…)"
        )
    return text if text.endswith("/") else text + "/"


def _keys(value: object, place: str) -> tuple[str, ...]:
    keys: list[str] = []
    for at, each in enumerate(_list(value, place, 64)):
        text = _text(each, f"{place}[{at}]")
        digits = text.removeprefix(KEY_PREFIX).lower()
        if not text.startswith(KEY_PREFIX) or len(digits) != 64 or digits.strip("0123456789abcdef"):
            raise _Wrong(f"{place}[{at}]", f"{KEY_PREFIX} and 64 hexadecimal digits are needed")
        if digits in keys:
            raise _Wrong(f"{place}[{at}]", "this key is given twice")
        keys.append(digits)
    return tuple(keys)


def _threshold(value: object, place: str) -> int:
    if type(value) is not int or value < 1:
        raise _Wrong(place, "it must be a positive integer")
    return value


def _kind(value: object) -> str:
    words = {dict: "a table", list: "a list", str: "a string", bool: "a boolean"}
    if type(value) in (int, float):
        return "a number"
    return words.get(type(value), "a date or time")
