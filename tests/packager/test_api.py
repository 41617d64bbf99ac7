"""What other programs use of packager is all there, described, and costs a start nothing."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
from packager import api

TYPES_ALONE = {"Declarations", "Declared", "HostOptionValues", "HostPlan"}  # for type checkers


@pytest.mark.parametrize("name", sorted(set(api.__all__) - TYPES_ALONE))
def test_a_name_is_there_and_described(name: str) -> None:
    value = getattr(api, name)
    if inspect.isfunction(value) or inspect.isclass(value):
        assert inspect.getdoc(value), name


def test_what_is_not_part_of_it() -> None:
    with pytest.raises(AttributeError, match="no attribute 'sweep'"):
        api.sweep  # noqa: B018
    assert set(dir(api)) == set(api.__all__) - TYPES_ALONE


def test_it_imports_only_what_is_asked_for() -> None:
    code = (
        "import sys; from packager import api; api.split_id;"
        "ours = {m for m in sys.modules if m.startswith('packager.')};"
        "print(*sorted(ours - {'packager.api'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["packager.package", "packager.package.package_id"]
