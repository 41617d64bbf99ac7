"""Kernel settings that packages want: set, told of when they can't be, refused when they differ."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from packager.host import host_plan

from tests.support.recording_host import Host, Tools

if TYPE_CHECKING:
    from packager.package.declarations import Declarations

UNIT = "[Service]\nExecStart=/bin/true\n"

pytestmark = pytest.mark.usefixtures("tools_on_path")


def test_kernel_settings(host: Host, tools: Tools) -> None:
    one = host.package("a--1", {"sysctl": {"a": {"vm.x": 1, "vm.y": "2 3"}}}, units__a_service=UNIT)
    host.activate({"a--1": one})
    calls = tools.calls()
    assert ["sysctl", "-q", "-w", "vm.x=1", "vm.y=2 3"] in calls
    assert calls.index(["systemctl", "start", "a.service", "dcos.target"]) == len(calls) - 1
    two = host.package("a--2", {"sysctl": {"a": {"vm.x": 1, "vm.y": "4"}}}, units__a_service=UNIT)
    host.activate({"a--2": two})
    assert ["sysctl", "-q", "-w", "vm.y=4"] in tools.calls()
    assert json.loads(host_plan.service_configuration({"a--2": two})) == {
        "sysctl": {"a": {"vm.x": 1, "vm.y": "4"}}
    }


def test_a_kernel_setting_that_can_not_be_set_is_a_warning(host: Host, tools: Tools) -> None:
    tools.answer("sysctl", 255, "")
    host.activate(
        {"a--1": host.package("a--1", {"sysctl": {"a": {"vm.x": 1}}}, units__a_service=UNIT)}
    )
    assert any(event["event"] == "warning" for event in host.events)


def test_kernel_settings_that_differ_or_are_for_nothing_are_conflicts(host: Host) -> None:
    packages = {
        f"{name}--1": host.package(
            f"{name}--1", {"sysctl": {name: {"vm.x": value}}}, **{f"units__{name}_service": UNIT}
        )
        for name, value in (("a", "1"), ("b", "2"), ("c", 1))
    }
    (reason,) = host_plan.conflicts(packages)
    assert reason == "a--1 (a) sets vm.x to 1, b--1 (b) to 2"
    (reason,) = host_plan.conflicts({"d--1": host.package("d--1", {"sysctl": {"d": {"x": 1}}})})
    assert "no service" in reason


def test_settings_of_an_earlier_boot_are_set_again_one_by_one(host: Host, tools: Tools) -> None:
    def package(name: str) -> Declarations:
        info = {"sysctl": {name: {f"vm.{name}": "1"}}}
        return host.package(f"{name}--1", info, **{f"units__{name}_service": UNIT})

    one, other = package("a"), package("b")
    host.activate({"a--1": one})
    host.activate({})
    place = host.root / "host.json"
    state = json.loads(place.read_text())
    place.write_text(json.dumps({**state, "boot": "another"}))
    host.activate({"b--1": other})
    tools.calls()
    host.activate({"a--1": one, "b--1": other})
    assert ["sysctl", "-q", "-w", "vm.a=1"] in tools.calls()
