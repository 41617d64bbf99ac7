"""What docs/provisioner.md says is so: its profiles, its kinds, its routes, its commands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from packager.base.documents.parser import parse
from provisioner.cli.definitions import COMMANDS, EXIT_CODES
from provisioner.profile.kind import PROFILE
from provisioner.profile.validation import validate
from provisioner.status.difference import KINDS

from tests.support.packager_command import packager

ROOT = Path(__file__).parents[2]
MANUAL = (ROOT / "docs" / "provisioner.md").read_text()
PROFILES = re.findall(r"^```yaml\n(.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)
KEY = "641b1d0f3d87ef6e60785896392778120a56017ee484d839d97e5662d10b5999"


def section(title: str) -> str:
    return MANUAL.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("number", range(len(PROFILES)))
def test_the_profiles_are_profiles(number: int) -> None:
    text = PROFILES[number].replace("641b1d0f…", KEY)
    made = validate(parse(text.encode(), "the manual", PROFILE), "the manual")
    assert made.name == "web"
    if number == 1:  # by example: all that there is
        schema = json.loads((ROOT / "cli/provisioner/profile/profile.schema.json").read_text())
        assert set(made.document) == set(schema["properties"])
        for each in ("configuration", "health"):
            part = {
                "configuration": made.document["configuration"],
                "health": made.document["health"],
            }[each]
            assert set(part) == set(schema["properties"][each]["properties"])


def test_every_kind_of_difference_is_told() -> None:
    table = section("Status and repair").partition("| kind |")[2]
    told = {
        kind
        for cell in re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)
        for kind in re.findall(r"`([\w-]+)`", cell)
    }
    assert told == set(KINDS)


def test_every_route_is_told() -> None:
    routes = json.loads((ROOT / "module/routes/provisioner.json").read_text())["routes"]
    table = section("Over HTTP")
    for route in routes:
        assert route["path"].lstrip("/") in table


def test_every_command_is_told() -> None:
    table = section("The commands")
    names = {command.name for command in COMMANDS} - {"completion"}
    assert set(re.findall(r"^\| `([\w-]+)", table, re.MULTILINE)) == names


def test_every_exit_code_has_its_remedies() -> None:
    cells = re.findall(r"^\| ([\d, ]+) \|", section("Errors"), re.MULTILINE)
    told = {int(code) for cell in cells for code in cell.split(", ")}
    assert told == {code for code in EXIT_CODES if code not in (0, 70)}


def test_packagers_manual_tells_of_repair(tmp_path: Path) -> None:
    said = packager(tmp_path, "repair", "--help").stdout.decode()
    manual = (ROOT / "docs" / "packager" / "reference.md").read_text()
    text = manual.partition("### packager repair")[2]
    text = text.partition("\n### ")[0]
    for option in ("--from", "--sha256", "--config", "--max-size"):
        assert option in said and option in text
