"""Hosts and plans, for people and as documents."""

from __future__ import annotations

from packager.cli import output

from rollout.controller.preview import Preview
from rollout.core.registry import Agent


def state(agent: Agent) -> str:
    """What the master says of an agent, in a word or two."""
    if agent.drain is not None:
        return agent.drain.value.lower()
    if agent.deactivated:
        return "deactivated"
    return "active" if agent.active else "disconnected"


def hosts_document(preview: Preview) -> dict[str, object]:
    """Who is selected and who is not, for programs."""
    return {
        "master": preview.sighting.place.url,
        "selected": [
            {
                "host": agent.host.hostname,
                "address": agent.host.address,
                "agent_id": agent.agent_id,
                "region": agent.placement.region,
                "zone": agent.placement.zone,
                "attributes": dict(agent.placement.attributes),
                "state": state(agent),
                "batch": preview.batch_of(at),
            }
            for at, agent in enumerate(preview.turns)
        ],
        "left_out": [
            {"host": each.host, "reason": each.reason, "fits": each.fits}
            for each in preview.selection.left_out
        ],
        "unmatched": list(preview.selection.unmatched),
    }


def plan_document(preview: Preview) -> dict[str, object]:
    """The plan for programs."""
    limits = preview.budgets
    return {
        **hosts_document(preview),
        "batches": [
            {
                "hosts": batch.hosts,
                "amounts": [str(each) for each in batch.amounts],
                "held_back": batch.held_back,
            }
            for batch in preview.batches
        ],
        "budgets": limits and {"unavailable": limits.unavailable, "failures": limits.failures},
        "unavailable": [str(agent.host) for agent in preview.unavailable],
        "flaws": list(preview.flaws),
    }


def show_hosts(preview: Preview) -> None:
    """Write who is selected and who is not to standard output; raises OutputFailed."""
    rows = [
        (str(agent.host), f"batch {preview.batch_of(at)}", agent.placement.zone or "", state(agent))
        for at, agent in enumerate(preview.turns)
    ]
    rows += [(each.host, "left out", "", each.reason) for each in preview.selection.left_out]
    output.table(("host", "turn", "zone", "state or reason"), rows)


def show_plan(preview: Preview) -> None:
    """Write the plan to standard output; raises OutputFailed."""
    before = 0
    rows = []
    for number, batch in enumerate(preview.batches, 1):
        words = ", ".join(str(each) for each in batch.amounts)
        zones = {agent.placement.zone for agent in preview.turns[before : batch.hosts]} - {None}
        why = f"{batch.held_back} held back: no zone begins as a whole" if batch.held_back else ""
        rows.append(
            (str(number), f"{batch.hosts - before}", f"{batch.hosts}", words, f"{len(zones)}", why)
        )
        before = batch.hosts
    output.table(("batch", "hosts", "in all", "strategy", "zones", "remark"), rows)
    output.line("")
    fits = sum(each.fits for each in preview.selection.left_out)
    pairs = [
        ("selected", output.plural(len(preview.turns), "host")),
        ("left out", f"{len(preview.selection.left_out)}, of which {fits} fit"),
        ("unavailable now", f"{len(preview.unavailable)}"),
    ]
    if preview.budgets is not None:
        pairs += [
            ("may be unavailable", f"{preview.budgets.unavailable}"),
            ("may fail", f"{preview.budgets.failures}"),
        ]
    output.fields(pairs)
