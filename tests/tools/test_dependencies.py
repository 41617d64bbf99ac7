"""What may be installed with the project has none of the faults that it is known to suffer from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2] / "cli/pyproject.toml"
# The first version without the fault.
WITHOUT_FAULT = {
    "jinja2": (3, 1, 6),  # |attr leads out of the sandbox (CVE-2025-27516)
    "requests": (2, 32, 4),  # .netrc's credentials for another host (CVE-2024-47081)
    "urllib3": (2, 7),  # bounds of inflating passed by (CVE-2026-44432)
    "cryptography": (44, 0, 1),  # with an OpenSSL that takes any key (CVE-2024-12797)
}


@pytest.mark.parametrize("name", WITHOUT_FAULT)
def test_minimal_versions(name: str) -> None:
    project = tomllib.loads(PROJECT.read_text())["project"]
    optional = project["optional-dependencies"].values()
    required = [*project["dependencies"], *(each for extra in optional for each in extra)]
    found = re.fullmatch(rf"{name}>=([0-9.]+)", next(r for r in required if r.startswith(name)))
    assert found is not None
    assert tuple(map(int, found[1].split("."))) >= WITHOUT_FAULT[name]
