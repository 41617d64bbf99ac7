"""Who of those that hold a command's pipe is taken for its descendant, by what the kernel tells."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from agentsim.run.pipe_holders import Surroundings, why_left_alone
from agentsim.run.procfs import Process, read_process

COMMAND_BEGAN = 5000


def process(
    pid: int, parent: int, began: int = 5001, name: str = "holder", **others: int
) -> Process:
    forked_only, stack = bool(others.get("forked_only")), others.get("stack", 0x7FF0 + pid)
    return Process(
        pid=pid,
        name=name,
        parent=parent,
        group=pid,
        session=pid,
        ended=False,
        forked_only=forked_only,
        began=began,
        stack=stack,
    )


HOST = process(50, 1, began=1000, name="agent")
REAPER = process(1, 0, began=1, name="init")


def judge(
    holder: Process, *others: Process, commands: tuple[int, ...] = (), reaper: int = 1
) -> str:
    known: Mapping[int, Process] = {p.pid: p for p in (HOST, REAPER, holder, *others)}
    return why_left_alone(holder, COMMAND_BEGAN, Surroundings(HOST, reaper, commands), known.get)


@pytest.mark.parametrize(
    ("holder", "others"),
    [
        (process(60, 1), []),
        (process(60, 1, began=COMMAND_BEGAN), []),  # in the same tick
        (process(60, 59), [process(59, 58), process(58, 1)]),
        (process(60, 1, forked_only=1), []),  # a fork of the command, not of the host
    ],
    ids=["orphan", "same tick", "grandchild of an orphan", "forked only"],
)
def test_descendants(holder: Process, others: list[Process]) -> None:
    assert judge(holder, *others) == ""


@pytest.mark.parametrize(
    ("holder", "others", "words"),
    [
        (process(60, 1, began=4999), [], "began before the command"),
        (process(60, 50), [], "was started by agent (50)"),
        (process(60, 50, forked_only=1, stack=HOST.stack), [], "a fork of this host"),
        (process(60, 1, forked_only=1, stack=HOST.stack), [], "a fork of this host"),
        (process(60, 70), [process(70, 1, began=300)], "was started by holder (70)"),
        (process(60, 59), [], "its parent can't be seen"),
        (process(60, 59), [process(59, 1, began=6000)], "its parent can't be seen"),
        (process(60, 59), [process(59, 60)], "too many ancestors"),
    ],
)
def test_others_are_left_alone(holder: Process, others: list[Process], words: str) -> None:
    assert words in judge(holder, *others)


def test_other_commands_are_left_alone_where_the_host_takes_orphans_itself() -> None:
    assert judge(process(60, HOST.pid), reaper=HOST.pid) == ""
    assert "another command" in judge(process(60, HOST.pid), reaper=HOST.pid, commands=(60,))
    assert "another command" in judge(
        process(61, 60), process(60, HOST.pid), reaper=HOST.pid, commands=(60,)
    )


def test_nobody_is_known_to_descend_where_it_is_not_known_who_takes_orphans() -> None:
    assert judge(process(60, 1), reaper=0) != ""
    assert judge(process(60, 0), reaper=0) != ""  # of another namespace


def test_this_process_is_read_as_it_is() -> None:
    me = read_process("self")
    assert me is not None and me == read_process(me.pid)
    assert me.name and me.parent > 0 and me.began > 0 and me.stack > 0 and not me.forked_only
    assert read_process(2**31 - 1) is None
