"""All pages: their links lead somewhere, the index names each, and their lines are of one width."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("*.md"))]
WIDTH = 110
GENERATED = {DOCS / "peers.md"}
CODE = re.compile(r"^```.*?^```$|^    .*?$", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What the headings of a page can be linked to by."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name) if name else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target


def test_the_index_names_every_page() -> None:
    text = (DOCS / "README.md").read_text(encoding="utf-8")
    named = {(DOCS / name).resolve() for name in re.findall(r"\]\(([^)#]+\.md)\)", text)}
    assert {page for page in PAGES if page.name != "README.md"} <= named


@pytest.mark.parametrize(
    "page", [each for each in PAGES if each not in GENERATED], ids=lambda page: page.name
)
def test_lines_can_be_read(page: Path) -> None:
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if not line.startswith("|")]
    assert [line for line in lines if len(line) > WIDTH] == []


def sections(page: Path) -> list[tuple[str, str]]:
    """The sections of a page that name a folder first of all: that folder, and the text."""
    parts = re.split(r"^##+ ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = [(re.search(r"`((?:cli|harness|module)/[\w/]*/)`", part), part) for part in parts]
    return [(base[1], part) for base, part in found if base]


def test_the_architecture_names_files_that_are_there() -> None:
    for base, text in sections(DOCS / "architecture.md"):
        for name in re.findall(r"`([\w/]+(?:/|\.py))`", text):
            assert (ROOT / base / name).exists() or (ROOT / name).exists(), base + name


def test_the_architecture_names_every_room() -> None:
    named = {
        f"{base}{name}"
        for base, text in sections(DOCS / "architecture.md")
        for name in re.findall(r"`(\w+/)`", text)
    }
    for package in ("cli/packager", "cli/provisioner", "cli/rollout", "harness/agentsim"):
        rooms = [each.parent for each in (ROOT / package).glob("*/*.py")]
        assert {f"{room.relative_to(ROOT)}/" for room in rooms} <= named
