"""The facts of a host for people: a line each."""

from __future__ import annotations

from packager.cli import output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MISSING = "missing"  # the names of what could not be found out
BYTE_COUNTS = ("bytes", "available")


def show_facts(facts: Mapping[str, object]) -> None:
    """Write them to standard output; raises OutputFailed."""
    pairs = [pair for pair in _pairs("", facts) if pair[0] != MISSING]
    missing = facts[MISSING]
    if isinstance(missing, list) and missing:
        pairs.append(("not known", ", ".join(missing)))
    output.fields(pairs)


def _pairs(prefix: str, document: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _pairs(f"{prefix}{name}.", value)
        elif value is not None:
            yield prefix + name, _shown(prefix + name, value)


def _shown(name: str, value: object) -> str:
    if name.startswith(("memory.", "limits.memory")) and isinstance(value, int):
        return output.amount(value)
    if isinstance(value, list):
        return "\n".join(map(_line, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _line(value: object) -> str:
    """One entry of a list in a line: its name or path, and its other values."""
    if not isinstance(value, dict):
        return str(value)
    words: list[str] = []
    for name, each in value.items():
        if name == "addresses":
            words += [f"{address['address']}/{address['prefix']}" for address in each]
        elif name in BYTE_COUNTS and each is not None:
            words.append(output.amount(each) + (" free" if name == "available" else ""))
        elif isinstance(each, bool):
            words += [name.replace("_", "-")] if each else []
        elif name == "mtu" and each is not None:
            words.append(f"mtu {each}")
        elif each is not None:
            words.append(str(each))
    return " ".join(words)
