"""Agents of imagined clusters, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st
from rollout.core.registry import Agent, HostId, Placement


def agent(number: int, zone: str | None = None, **changed: object) -> Agent:
    """An agent with an address of its own."""
    host = HostId(f"host-{number}", f"127.1.{number // 250}.{number % 250 + 1}:5051")
    placement = Placement(region=zone and "eu", zone=zone, attributes={"role": "web"})
    return Agent(f"S{number}", host, placement, **changed)  # type: ignore[arg-type]


@st.composite
def clusters(draw: st.DrawFn, *, min_size: int = 1, max_size: int = 60) -> list[Agent]:
    """Agents in up to five zones, some of them in none."""
    zones = draw(
        st.lists(
            st.sampled_from([None, "a", "b", "c", "d", "e"]), min_size=min_size, max_size=max_size
        )
    )
    return [agent(number, zone) for number, zone in enumerate(zones)]
