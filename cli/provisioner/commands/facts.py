"""`provisioner facts`: what this host is."""

from __future__ import annotations

import os

from packager.cli import output
from packager.host.options import HostOptions

from provisioner.facts import host_facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

    from packager.host.options import HostOptionValues

    from provisioner.facts.system_information import Value


def run(*, root: str, output_format: str, **host: Unpack[HostOptionValues]) -> int:
    """Tell the inventory; raises OutputFailed."""
    found = host_facts.gather(os.path.abspath(root), HostOptions(**host))  # noqa: PTH100
    if output_format == "json":
        output.json_line(found)
        return 0
    missing = found.pop("missing")
    pairs = list(_pairs("", found))
    if missing:
        pairs.append(("not known", ", ".join(missing)))
    output.fields(pairs)
    return 0


def _pairs(prefix: str, document: dict[str, Value]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in document.items():
        if isinstance(value, dict):
            pairs += _pairs(f"{prefix}{name}.", value)
        elif value is not None:
            pairs.append((prefix + name, _words(prefix + name, value)))
    return pairs


def _words(name: str, value: Value) -> str:
    if name.startswith("memory."):
        return output.amount(value)
    if isinstance(value, list):
        return "\n".join(map(_line, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _line(value: Value) -> str:
    """One entry of a list in a line: its name or path, and what else there is to say."""
    if not isinstance(value, dict):
        return str(value)
    words = []
    for name, each in value.items():
        if name == "addresses":
            words += [f"{a['address']}/{a['prefix']}" for a in each]
        elif name in ("bytes", "available") and each is not None:
            words.append(output.amount(each) + (" free" if name == "available" else ""))
        elif isinstance(each, bool):
            words += [name.replace("_", "-")] if each else []
        elif name == "mtu" and each is not None:
            words.append(f"mtu {each}")
        elif each is not None:
            words.append(str(each))
    return " ".join(words)
